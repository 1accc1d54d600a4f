"""Answers to exercise 09 that are right on a path where nothing is lost: they double."""

from tests.course.answers import solution

Control = solution("congestion")


class ALossIsATimeout(Control):
    """Begins anew after every loss."""

    def on_loss(self, flight_size, now):
        self.on_rto(flight_size, now)


class ATimeoutIsALoss(Control):
    """Halves, whatever happened."""

    def on_rto(self, flight_size, now):
        self.on_loss(flight_size, now)


class AlwaysDoubles(Control):
    """Knows slow start only."""

    def on_ack(self, ack, now):
        if not ack.recovering:
            self.cwnd += ack.acked


class DownToNothing(Control):
    """Halves without end."""

    def on_loss(self, flight_size, now):
        self.ssthresh = self.cwnd = flight_size // 2


class GrowsMeanwhile(Control):
    """Every acknowledgement is good news."""

    def on_ack(self, ack, now):
        if ack.recovering:
            self.cwnd += self.mss
        else:
            super().on_ack(ack, now)


class StaysThere(Control):
    """Above ssthresh it is content."""

    def on_ack(self, ack, now):
        if self.ssthresh is None or self.cwnd < self.ssthresh:
            super().on_ack(ack, now)


def works_on_a_clean_path(answer):
    from netlab.protocols.congestion import Ack

    control = answer(mss=1000)
    for _ in range(10):
        control.on_ack(Ack(acked=1000, newly_delivered=1000, delivered=1000, flight_size=10000), 0)
    return control.cwnd == 20000


WRONG = {
    ALossIsATimeout: "is no timeout",
    ATimeoutIsALoss: "one segment, since nothing tells",
    AlwaysDoubles: "a segment, and no more",
    DownToNothing: "no less than two segments",
    GrowsMeanwhile: "still being repaired",
    StaysThere: "should grow by a segment",
}
