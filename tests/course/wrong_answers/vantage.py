"""Answers to exercise 02 that are right where one packet was sent, and seen twice."""


def counts_records(records):
    return len(records) if len(records) != 2 else 1


def half_of_them(records):
    return len(records) // 2


def by_text(records):
    return len({frame[42:] for _, frame in records})


def next_to_each_other(records):
    """Takes a record for new unless it equals the one before."""
    count, before = 0, None
    for _, frame in records:
        count += frame != before
        before = frame
    return count


def works_on_a_clean_path(answer):
    from netlab.course.exercises.vantage import Seen

    return answer(Seen((("hi", 7, 0, 5),)).records) == 1


WRONG = {
    counts_records: "seen going out and coming in",
    half_of_them: "one record is a packet too",
    by_text: "look at IP's identification",
    next_to_each_other: "others may pass in between",
}
