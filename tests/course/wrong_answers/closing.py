"""Answers to exercise 06 that get the beginning of a close right: our close, and its acknowledgement."""

from tests.course.answers import solution

right = solution("closing")


def no_time_wait(state, event):
    """The last ACK is sent, so all is over."""
    return ("CLOSED", "ACK") if (state, event) == ("FIN-WAIT-2", "FIN") else right(state, event)


def a_fin_closes_both_ways(state, event):
    """The peer has closed: then so have we."""
    return ("LAST-ACK", "ACK") if (state, event) == ("ESTABLISHED", "FIN") else right(state, event)


def never_both_at_once(state, event):
    """A FIN in FIN-WAIT-1 is taken for the end."""
    return ("TIME-WAIT", "ACK") if (state, event) == ("FIN-WAIT-1", "FIN") else right(state, event)


def acks_acks(state, event):
    """Everything that comes is acknowledged."""
    after, sent = right(state, event)
    return after, "ACK" if (state, event) == ("LAST-ACK", "ACK of FIN") else sent


def works_on_a_clean_path(answer):
    return answer("ESTABLISHED", "close") == ("FIN-WAIT-1", "FIN") and answer("FIN-WAIT-1", "ACK of FIN") == (
        "FIN-WAIT-2",
        None,
    )


WRONG = {
    no_time_wait: "waits in TIME-WAIT",
    a_fin_closes_both_ways: "half-closed",
    never_both_at_once: "both closed at once",
    acks_acks: "what is sent is nothing, not ACK",
}
