"""Two ends of an ARQ over a pipe that loses, doubles and delays what it likes, on a clock of its own."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush

from netlab.protocols.arq import Arq, Arrived, Data, Deliver, Failed, Pdu, Send, TimerFired, Transmit
from netlab.units import Ns

Fate = Callable[[], list[Ns]]
"""Of a PDU: the delays of its copies; none where it is lost."""


class Pipe:
    """Runs `sender` and `receiver` until nothing is left to happen, and watches what must always hold."""

    def __init__(self, sender: Arq, receiver: Arq, fate: Fate, *, in_order: bool = False) -> None:
        self.sender, self.receiver = sender, receiver
        self.delivered: list[bytes] = []
        self.failed: list[str] = []
        self.sent: dict[int, list[Ns]] = {}  # when each packet was sent, and sent again, by its number as sent
        self.now: Ns = 0
        self._fate = fate
        self._in_order = in_order
        self._last: dict[Arq, Ns] = {}
        self._heap: list[tuple[Ns, int, Arq, Pdu | None]] = []
        self._pushed = 0

    def run(self, data: list[bytes], *, steps: int = 100_000) -> None:
        for item in data:
            self._do(self.sender, Send(item))
        for _ in range(steps):
            if not self._heap:
                return
            self.now, _, end, pdu = heappop(self._heap)
            self._do(end, TimerFired() if pdu is None else Arrived(pdu))
        raise AssertionError(f"not over after {steps} steps")

    def _do(self, end: Arq, event: Send | Arrived | TimerFired) -> None:
        other = self.receiver if end is self.sender else self.sender
        for output in end.handle(event, self.now):
            match output:
                case Transmit(pdu):
                    if isinstance(pdu, Data):
                        self.sent.setdefault(pdu.number, []).append(self.now)
                    for delay in self._fate():
                        at = self.now + delay
                        if self._in_order:
                            at = self._last[other] = max(at, self._last.get(other, 0))
                        self._push(at, other, pdu)
                case Deliver(payload):
                    assert end is self.receiver
                    self.delivered.append(payload)
                case Failed(reason):
                    self.failed.append(reason)
        sender = self.sender
        assert sender.snd_una <= sender.snd_nxt <= sender.snd_una + sender.window
        assert list(sender.outstanding) == list(range(sender.snd_una, sender.snd_nxt))
        assert (sender.deadline is None) == (not sender.outstanding or bool(self.failed))
        if end.deadline is not None:
            self._push(max(end.deadline, self.now), end, None)

    def _push(self, at: Ns, end: Arq, pdu: Pdu | None) -> None:
        self._pushed += 1
        heappush(self._heap, (at, self._pushed, end, pdu))
