"""Exercise 09: a congestion control, Reno's."""

from netlab.protocols.congestion import CongestionControl


class Answer(CongestionControl):
    name = "mine"

    def __init__(self, *, mss):
        self.mss = mss
        self.cwnd = 10 * mss
        self.ssthresh = None
        self.phase = "slow start"
        self.pacing_bit_s = None
        self.acked = 0

    def on_ack(self, ack, now):
        if ack.recovering:
            return
        if self.ssthresh is None or self.cwnd < self.ssthresh:
            self.cwnd += min(ack.acked, self.mss)
            return
        self.acked += ack.acked
        if self.acked >= self.cwnd:
            self.acked -= self.cwnd
            self.cwnd += self.mss

    def on_loss(self, flight_size, now):
        self.ssthresh = self.cwnd = max(flight_size // 2, 2 * self.mss)
        self.acked = 0

    def on_rto(self, flight_size, now):
        if flight_size:
            self.ssthresh = max(flight_size // 2, 2 * self.mss)
        self.cwnd = self.mss
        self.acked = 0
