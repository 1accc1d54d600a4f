"""Answers to exercise 05 that work on a path which loses in the middle and does nothing else."""


def counts_arrivals(numbers, sent):
    """Lost is sent less arrived: a copy makes up for a loss."""
    return sent - len(numbers), len(numbers) - len(set(numbers)), late(numbers)


def counts_gaps(numbers, sent):
    """Lost is what a gap shows: nothing is missed at the end."""
    unique = sorted(set(numbers))
    lost = (unique[-1] + 1 - len(unique)) if unique else 0
    return lost, len(numbers) - len(unique), late(numbers)


def a_gap_is_a_loss(numbers, sent):
    """Whoever has not come when its turn was is lost for good."""
    lost, due = 0, 0
    for number in numbers:
        if number >= due:
            lost += number - due
            due = number + 1
    return lost + sent - due, len(numbers) - len(set(numbers)), late(numbers)


def late_is_below_the_one_before(numbers, sent):
    """Compares with the arrival before only."""
    seen, count, before = set(), 0, -1
    for number in numbers:
        if number not in seen:
            count += number < before
        before = number
        seen.add(number)
    return sent - len(seen), len(numbers) - len(seen), count


def two_copies_at_most(numbers, sent):
    """Counts each number that came again once."""
    unique = set(numbers)
    return sent - len(unique), sum(numbers.count(number) > 1 for number in unique), late(numbers)


def late(numbers):
    seen, count = [], 0
    for number in numbers:
        if number not in seen:
            count += any(number < other for other in seen)
            seen.append(number)
    return count


def works_on_a_clean_path(answer):
    return answer([0, 1, 2], 3) == (0, 0, 0) and answer([0, 1, 3], 4) == (1, 0, 0)


WRONG = {
    counts_arrivals: "a copy does not make up",
    counts_gaps: "leaves no gap",
    a_gap_is_a_loss: "came late was counted as lost",
    late_is_below_the_one_before: "number of late ones is wrong",
    two_copies_at_most: "extra copies is wrong",
}
