"""Stop-and-wait: send one packet, wait for its acknowledgement, send the next.

    sender                        receiver
      | ---- Data 0 --------------> |   deliver
      | <--- Ack 1 ---------------- |   1: the packet that comes next
      | ---- Data 1 -----> x        |
      :   (RTO)                     |
      | ---- Data 1 --------------> |   deliver
      |        x <----- Ack 2 ----- |
      :   (2 RTO)                   |
      | ---- Data 1 --------------> |   a duplicate: acknowledged again, not delivered
      | <--- Ack 2 ---------------- |

An acknowledgement names the packet that is expected next. On a path that keeps the order two numbers are enough, 0 and
1, because only one packet is ever on its way.

The sender is idle for the rest of each round trip: it uses the share 1 / (1 + 2a) of the link, where a is how many
packets fit on the way there.

Source: RFC 6298 §5 for the timer. Taught in notebook 07.
"""

from __future__ import annotations

from typing import ClassVar

from netlab.protocols.arq.machine import Arq, Deliver, Dropped, Output, Transmit
from netlab.protocols.arq.pdu import Ack
from netlab.units import Ns


class StopAndWait(Arq):
    """One end. Its window is one packet."""

    name: ClassVar[str] = "stop-and-wait"
    default_window: ClassVar[int] = 1

    @classmethod
    def largest_window(cls, numbers: int) -> int:
        return min(1, numbers - 1)

    def _arm(self, now: Ns) -> None:
        self.deadline = now + self.trips.rto if self.outstanding else None

    def _acknowledged(self, number: int, now: Ns) -> list[Output]:
        if not self.outstanding or number != (self.snd_una + 1) % self.numbers:
            return self._old_ack(number, now)
        self._forget(self.snd_una + 1, now, self._sample(self.snd_una, now))
        return self._fill_window(now)

    def _expired(self, now: Ns) -> list[Output]:
        if failed := self._late(self.snd_una, self.trips.rto, now):
            return failed
        self.trips.back_off()  # RFC 6298 (5.5): "The host MUST set RTO <- RTO * 2"
        again = self._send_again(self.snd_una, now, "not acknowledged in time")
        self._arm(now)
        return [again]

    def _received(self, number: int, payload: bytes, now: Ns) -> list[Output]:
        if number != self.rcv_nxt % self.numbers:  # its acknowledgement was lost, or late
            return [Dropped("duplicate"), Transmit(Ack(self.rcv_nxt % self.numbers))]
        self.rcv_nxt += 1
        return [Deliver(payload), Transmit(Ack(self.rcv_nxt % self.numbers))]
