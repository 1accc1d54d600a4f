"""Exercise 07, second part: an ARQ of one's own. Go-back-N, all of it."""

from netlab.protocols.arq import Ack, Arrived, Data, Deliver, Send, TimerFired, Transmit
from netlab.units import S


class Answer:
    def __init__(self, window=4):
        self.window = window
        self.data = []
        self.snd_una = self.snd_nxt = self.rcv_nxt = 0
        self.deadline = None
        self.rto = 1 * S

    def handle(self, event, now):
        match event:
            case Send(data):
                self.data.append(data)
                return self.fill(now)
            case Arrived(Data(number, payload)):
                delivered = []
                if number == self.rcv_nxt:
                    self.rcv_nxt += 1
                    delivered = [Deliver(payload)]
                return [*delivered, Transmit(Ack(self.rcv_nxt))]
            case Arrived(Ack(number)) if number > self.snd_una:
                self.snd_una = number
                self.rto = 1 * S
                self.deadline = now + self.rto if self.snd_una < self.snd_nxt else None
                return self.fill(now)
            case TimerFired() if self.deadline is not None and now >= self.deadline:
                self.rto *= 2
                self.snd_nxt = self.snd_una
                self.deadline = None
                return self.fill(now)
        return []

    def fill(self, now):
        out = []
        while self.snd_nxt < min(len(self.data), self.snd_una + self.window):
            out.append(Transmit(Data(self.snd_nxt, self.data[self.snd_nxt])))
            self.snd_nxt += 1
        if out and self.deadline is None:
            self.deadline = now + self.rto
        return out
