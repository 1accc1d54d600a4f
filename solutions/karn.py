"""Exercise 07, first part: how long to wait for an acknowledgement."""


class Answer:
    def __init__(self):
        self.rto = 1.0
        self.srtt = self.rttvar = None
        self.sendings = {}

    def sent(self, number, now):
        self.sendings.setdefault(number, []).append(now)

    def acked(self, number, now):
        times = self.sendings.pop(number)
        if len(times) > 1:
            return
        r = now - times[0]
        if self.srtt is None:
            self.srtt, self.rttvar = r, r / 2
        else:
            self.rttvar = 3 / 4 * self.rttvar + 1 / 4 * abs(self.srtt - r)
            self.srtt = 7 / 8 * self.srtt + 1 / 8 * r
        self.rto = min(60, max(0.2, self.srtt + 4 * self.rttvar))

    def expired(self):
        self.rto = min(60, 2 * self.rto)
