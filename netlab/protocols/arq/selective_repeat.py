"""Selective repeat: send up to a window of packets ahead; after a loss, send the lost one again and no other.

    sender, window 4              receiver, window 4
      | ---- Data 0 --------------> |   deliver
      | ---- Data 1 -----> x        |
      | ---- Data 2 --------------> |   kept
      | ---- Data 3 --------------> |   kept
      | <--- Ack 0, Ack 2, Ack 3 -- |   each names the packet that has arrived
      | ---- Data 4 --------------> |   kept; the sender's window (1 to 4) is full
      :   (RTO, of packet 1)        |
      | ---- Data 1 --------------> |   deliver 1, 2, 3, 4

Every packet has a timer of its own, and only that doubles when it expires: losses of several packets of one window are
one trouble, not many. Both ends have a window, and need not agree where it begins: the receiver may be up
to a window ahead. So with `numbers` numbers the window is at most half of them: a packet of the old window must not
look like one of the new.

Source: RFC 6298 §5 for the timers. Taught in notebook 07.
"""

from __future__ import annotations

from typing import Any, ClassVar

from netlab.protocols.arq.machine import Arq, Deliver, Dropped, Output, Transmit
from netlab.protocols.arq.pdu import Ack
from netlab.protocols.arq.states import Cause
from netlab.protocols.round_trips import MAX_RTO
from netlab.units import Ns


class SelectiveRepeat(Arq):
    """One end.

    Attributes:
        kept: data that came before its turn, by number, counted from 0.
    """

    name: ClassVar[str] = "selective-repeat"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.kept: dict[int, bytes] = {}

    @classmethod
    def largest_window(cls, numbers: int) -> int:
        return numbers // 2

    def _arm(self, now: Ns) -> None:
        """When the first of the packets that have not arrived is late."""
        self.deadline = min((p.due for p in self.outstanding.values() if not p.acknowledged), default=None)

    def _acknowledged(self, number: int, now: Ns) -> list[Output]:
        arrived = self.snd_una + (number - self.snd_una) % self.numbers
        if arrived not in self.outstanding or self.outstanding[arrived].acknowledged:
            return self._old_ack(number, now)
        self.outstanding[arrived].acknowledged = True
        rtt = self._sample(arrived, now)
        if arrived > self.snd_una:
            self._move(Cause.ACKED_LATER)
            self._arm(now)
            self._tell(now, "sack", f"packet {arrived} has arrived, {self.snd_una} has not", rtt)
            return []
        missing = (number for number, packet in self.outstanding.items() if not packet.acknowledged)
        self._forget(next(missing, self.snd_nxt), now, rtt)
        return self._fill_window(now)

    def _expired(self, now: Ns) -> list[Output]:
        late = [n for n, packet in self.outstanding.items() if not packet.acknowledged and packet.due <= now]
        again: list[Output] = []
        for number in late:
            packet = self.outstanding[number]
            if failed := self._late(number, packet.due - packet.sent_at, now):
                return failed
            again.append(self._send_again(number, now, "not acknowledged in time"))
            packet.due = now + min(self.trips.rto << (packet.times - 1), MAX_RTO)  # RFC 6298 (5.5)
        self._arm(now)
        return again

    def _received(self, number: int, payload: bytes, now: Ns) -> list[Output]:
        acknowledge = Transmit(Ack(number))
        ahead = (number - self.rcv_nxt) % self.numbers
        if (
            ahead >= self.window or self.rcv_nxt + ahead in self.kept
        ):  # acknowledged again, or the sender never moves on
            return [Dropped("duplicate"), acknowledge]
        self.kept[self.rcv_nxt + ahead] = payload
        outputs: list[Output] = []
        while self.rcv_nxt in self.kept:
            outputs.append(Deliver(self.kept.pop(self.rcv_nxt)))
            self.rcv_nxt += 1
        return [*outputs, acknowledge]
