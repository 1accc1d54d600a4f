"""Go-back-N: send up to a window of packets ahead; after a loss, send everything from the lost one on again.

    sender, window 4              receiver
      | ---- Data 0 --------------> |   deliver
      | ---- Data 1 -----> x        |
      | ---- Data 2 --------------> |   out of order: dropped
      | ---- Data 3 --------------> |   out of order: dropped
      | <--- Ack 1 ---------------- |   three times: everything before 1 has arrived
      | ---- Data 4 --------------> |   out of order: dropped
      :   (RTO, of the oldest)      |
      | ---- Data 1, 2, 3, 4 -----> |   deliver, deliver, deliver, deliver

An acknowledgement is cumulative: it names the packet that is expected next, so one that is lost is made good by the
next. The receiver keeps nothing but one number, and one timer is enough. The price is paid by the link: each loss costs
a window of packets.

With `numbers` numbers the window is at most `numbers - 1`: were it `numbers` and all acknowledgements lost, the
receiver would take the old window for a new one.

Source: RFC 6298 §5 for the timer. Taught in notebook 07.
"""

from __future__ import annotations

from typing import ClassVar

from netlab.protocols.arq.machine import Arq, Deliver, Dropped, Output, Transmit
from netlab.protocols.arq.pdu import Ack
from netlab.units import Ns


class GoBackN(Arq):
    """One end."""

    name: ClassVar[str] = "go-back-n"

    @classmethod
    def largest_window(cls, numbers: int) -> int:
        return numbers - 1

    def _arm(self, now: Ns) -> None:
        """One timer, for the oldest: RFC 6298 (5.1) starts it, (5.3) restarts it, (5.2) turns it off."""
        self.deadline = now + self.trips.rto if self.outstanding else None

    def _acknowledged(self, number: int, now: Ns) -> list[Output]:
        further = (number - self.snd_una) % self.numbers
        if not 1 <= further <= len(self.outstanding):
            return self._old_ack(number, now)
        upto = self.snd_una + further
        self._forget(upto, now, self._sample(upto - 1, now))
        return self._fill_window(now)

    def _expired(self, now: Ns) -> list[Output]:
        if failed := self._late(self.snd_una, self.trips.rto, now):
            return failed
        self.trips.back_off()  # RFC 6298 (5.5): "The host MUST set RTO <- RTO * 2"
        self._arm(now)
        return [self._send_again(number, now, f"packet {self.snd_una} is missing") for number in self.outstanding]

    def _received(self, number: int, payload: bytes, now: Ns) -> list[Output]:
        ahead = (number - self.rcv_nxt) % self.numbers
        if ahead:  # not the next: nothing is kept, and the acknowledgement says again what is missing
            reason = Dropped("out_of_order" if ahead < self.window else "duplicate")
            return [reason, Transmit(Ack(self.rcv_nxt % self.numbers))]
        self.rcv_nxt += 1
        return [Deliver(payload), Transmit(Ack(self.rcv_nxt % self.numbers))]
