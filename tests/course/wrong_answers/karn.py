"""Answers to the first part of exercise 07 that are right where nothing is lost and every round trip takes as long."""

from tests.course.answers import solution


class Estimator(solution("karn")):
    def acked(self, number, now):
        times = self.sendings.pop(number)
        if len(times) == 1:
            self.sample(now - times[0])

    def sample(self, r):
        self.sendings["r"] = [0.0]
        super().acked("r", r)


class SamplesEverything(Estimator):
    """Takes the time since the last sending."""

    def acked(self, number, now):
        self.sample(now - self.sendings.pop(number)[-1])


class NeverBacksOff(Estimator):
    def expired(self):
        pass


class TheOtherWayRound(Estimator):
    """SRTT first."""

    def sample(self, r):
        if self.srtt is None:
            super().sample(r)
            return
        self.srtt = 7 / 8 * self.srtt + 1 / 8 * r
        self.rttvar = 3 / 4 * self.rttvar + 1 / 4 * abs(self.srtt - r)
        self.rto = min(60, max(0.2, self.srtt + 4 * self.rttvar))


class TwiceTheMean(Estimator):
    """RFC 793's way: beta times the smoothed round trip, and 3 R after the first."""

    def sample(self, r):
        self.srtt = r if self.srtt is None else 7 / 8 * self.srtt + 1 / 8 * r
        self.rto = min(60, max(0.2, 2 * self.srtt))


def works_on_a_clean_path(answer):
    estimator = answer()
    estimator.sent(0, 0.0)
    estimator.acked(0, 0.05)  # both 3 R and 2 R are below the least RTO
    return estimator.rto == 0.2


WRONG = {
    SamplesEverything: "nobody knows which",
    NeverBacksOff: "the timer ran out",
    TheOtherWayRound: "RTTVAR is updated before SRTT",
    TwiceTheMean: "the first sample R",
}
