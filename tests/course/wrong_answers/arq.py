"""Answers to the second part of exercise 07 that work on a link which loses nothing."""

from netlab.protocols.arq import Ack, Arrived, Data, Deliver, Send, TimerFired, Transmit
from tests.course.answers import solution

Right = solution("arq")


class NeverRepeats(Right):
    """Sends once."""

    def handle(self, event, now):
        return [] if isinstance(event, TimerFired) else super().handle(event, now)

    @property
    def deadline(self):
        return None

    @deadline.setter
    def deadline(self, at):
        pass


class TakesWhatComes(Right):
    """Delivers every packet."""

    def handle(self, event, now):
        match event:
            case Arrived(Data(number, payload)):
                self.rcv_nxt = max(self.rcv_nxt, number + 1)
                return [Deliver(payload), Transmit(Ack(number + 1))]
        return super().handle(event, now)


class TakesWhatIsNew(Right):
    """Delivers what it has not had, in whatever order."""

    def __init__(self, window=4):
        super().__init__(window)
        self.had = set()

    def handle(self, event, now):
        match event:
            case Arrived(Data(number, payload)):
                new = number not in self.had
                self.had.add(number)
                while self.rcv_nxt in self.had:
                    self.rcv_nxt += 1
                return [*([Deliver(payload)] if new else []), Transmit(Ack(self.rcv_nxt))]
        return super().handle(event, now)


class NoWindow(Right):
    """Sends all at once."""

    def __init__(self, window=4):
        super().__init__(window=1000)


class AcknowledgesTheNewOnly(Right):
    """A repetition needs no acknowledgement, surely: it had one."""

    def handle(self, event, now):
        match event:
            case Arrived(Data(number, _)) if number != self.rcv_nxt:
                return []
        return super().handle(event, now)


def works_on_a_clean_path(answer):
    """Three packets, one after the other."""
    sender, receiver = answer(window=4), answer(window=4)
    heard = []
    for number in range(3):
        for out in sender.handle(Send(b"%d" % number), number):
            for back in receiver.handle(Arrived(out.pdu), number):
                if isinstance(back, Deliver):
                    heard.append(back.data)
                else:
                    sender.handle(Arrived(back.pdu), number)
    return heard == [b"0", b"1", b"2"]


WRONG = {
    NeverRepeats: "has to be sent again",
    TakesWhatComes: "delivered twice",
    TakesWhatIsNew: "out of order",
    NoWindow: "within the window",
    AcknowledgesTheNewOnly: "a repetition has to be acknowledged too",
}
