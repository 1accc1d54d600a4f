"""What every ARQ is: packets with numbers, a window, acknowledgements, a timer.

    send(data)                                                    deliver(data), in order, once
        |                  Data 0, Data 1, ...                         ^
        v           ------------------------------->                   |
    one end                                                       the other end
                    <-------------------------------
                            Ack, Ack, ...

An ARQ is a machine: tell it what happened and when, do what comes out, and call it again at its deadline.

    arq = GoBackN(window=4)
    outputs = arq.handle(Send(b"hi"), now=0)        # [Transmit(Data(0, b"hi"))]
    outputs = arq.handle(Arrived(Ack(1)), now=20 * MS)
    arq.deadline                                    # when to call handle(TimerFired(), now), or None

Both ends are alike, and both may send. `stop_and_wait`, `go_back_n` and `selective_repeat` each fill in four methods:
when the timer is to expire, what is sent again then, what an acknowledgement says, and what is done with a data packet
that comes.

Source: RFC 6298 (timer, back-off, Karn's algorithm). Taught in notebook 07.
"""

from __future__ import annotations

from collections import deque
from typing import ClassVar, Literal, TypeAlias

import msgspec

from netlab.protocols.arq.pdu import NUMBERS, Ack, Data, Pdu
from netlab.protocols.arq.states import TRANSITIONS, Cause, State
from netlab.protocols.round_trips import MIN_RTO, RoundTrips
from netlab.protocols.trace import Decision, Trace
from netlab.units import Ns, format_duration

MAX_RETRANSMISSIONS = 15
"""Of one packet, before the sender gives up: with back-off to a minute, more than ten of them."""


class Send(msgspec.Struct, frozen=True):
    """The application has something for the other end: one packet's payload."""

    data: bytes


class Arrived(msgspec.Struct, frozen=True):
    """A PDU came from the other end; it may be old, or come twice."""

    pdu: Pdu


class TimerFired(msgspec.Struct, frozen=True):
    """The deadline may have passed; early, late or spurious is harmless."""


class Transmit(msgspec.Struct, frozen=True):
    """Send this to the other end; it may get lost."""

    pdu: Pdu


class Deliver(msgspec.Struct, frozen=True):
    """The next data for the application."""

    data: bytes


class Dropped(msgspec.Struct, frozen=True):
    """What came was not taken; `reason` is the name of a counter: `duplicate`, `out_of_order`, `old_ack`."""

    reason: Literal["duplicate", "out_of_order", "old_ack"]


class Failed(msgspec.Struct, frozen=True):
    """The sender gave up; nothing more will come out of it."""

    reason: str


Event: TypeAlias = Send | Arrived | TimerFired
Output: TypeAlias = Transmit | Deliver | Dropped | Failed


class Packet:
    """A packet in the window.

    Attributes:
        sent_at: when it was sent last, ns.
        due: when it is late, ns.
        times: how often it was sent.
        acknowledged: it has arrived, and waits for those before it.
    """

    __slots__ = ("acknowledged", "data", "due", "sent_at", "times")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.sent_at = self.due = self.times = 0
        self.acknowledged = False


class Arq:
    """What the three protocols share: the window, the numbers, the round trips, giving up, and the trace.

    Args:
        window: packets that may be on their way; where it is not given, `default_window` or as many as `numbers` allow.
        numbers: how many numbers there are before they begin anew at 0; at most 2**32.
        min_rto: what the retransmission timeout is at least, ns.
        max_retransmissions: of one packet, before the sender gives up.
        trace: told of every decision.
        who: the sender's name in the trace.

    Attributes:
        snd_una, snd_nxt: of the packets sent, the first that is not acknowledged and the next to send, counted from 0
            and not reduced to `numbers`. Nothing at or above `snd_una + window` is ever sent.
        rcv_nxt: the next packet to deliver, counted likewise.
        outstanding: the packets from `snd_una` to `snd_nxt`, in order.
        trips: the round-trip estimator; its samples are never of a packet that was sent twice.
        retransmissions: packets sent again so far.
    """

    name: ClassVar[str]
    default_window: ClassVar[int] = 8

    def __init__(
        self,
        *,
        window: int | None = None,
        numbers: int = NUMBERS,
        min_rto: Ns = MIN_RTO,
        max_retransmissions: int = MAX_RETRANSMISSIONS,
        trace: Trace | None = None,
        who: str = "sender",
    ) -> None:
        most = self.largest_window(numbers)
        self.window = min(self.default_window, most) if window is None else window
        if not 1 <= self.window <= most or numbers > NUMBERS:
            raise ValueError(f"{self.name} with {numbers} numbers takes a window of 1 to {most}, not {self.window}")
        self.numbers = numbers
        self.trips = RoundTrips(min_rto=min_rto)
        self.state = State.IDLE
        self.deadline: Ns | None = None
        self.snd_una = self.snd_nxt = self.rcv_nxt = 0
        self.outstanding: dict[int, Packet] = {}
        self.retransmissions = 0
        self._max_retransmissions = max_retransmissions
        self._waiting: deque[bytes] = deque()
        self._bytes_acknowledged = 0
        self._trace = trace
        self._who = who

    @classmethod
    def largest_window(cls, numbers: int) -> int:
        """With so many numbers: a larger one would make an old packet look like a new one."""
        raise NotImplementedError

    def handle(self, event: Event, now: Ns) -> list[Output]:
        """Take in one event; what is to be done comes back."""
        match event:
            case Arrived(Data(number, payload)):
                return self._received(number, payload, now)
            case _ if self.state is State.FAILED:
                return []
            case Send(data):
                self._waiting.append(data)
                return self._fill_window(now)
            case Arrived(Ack(number)):
                return self._acknowledged(number, now)
            case TimerFired() if self.deadline is not None and now >= self.deadline:
                return self._expired(now)
        return []  # an early timer

    # What each protocol fills in

    def _arm(self, now: Ns) -> None:
        """Set `deadline`: the first packet of all was sent, or the window moved."""
        raise NotImplementedError

    def _acknowledged(self, number: int, now: Ns) -> list[Output]:
        """An acknowledgement came."""
        raise NotImplementedError

    def _expired(self, now: Ns) -> list[Output]:
        """The deadline has passed."""
        raise NotImplementedError

    def _received(self, number: int, payload: bytes, now: Ns) -> list[Output]:
        """A data packet came."""
        raise NotImplementedError

    # Sending

    def _fill_window(self, now: Ns) -> list[Output]:
        """Send what waits, as far as the window allows."""
        outputs: list[Output] = []
        while self._waiting and self.snd_nxt < self.snd_una + self.window:
            number, self.snd_nxt = self.snd_nxt, self.snd_nxt + 1
            self.outstanding[number] = Packet(self._waiting.popleft())
            self._move(Cause.FILLED if self.snd_nxt == self.snd_una + self.window else Cause.SENT)
            outputs.append(self._transmit(number, now))
            if self.deadline is None:
                self._arm(now)
            self._tell(now, "sent", f"packet {number}")
        return outputs

    def _send_again(self, number: int, now: Ns, why: str) -> Transmit:
        self.retransmissions += 1
        again = self._transmit(number, now)
        self._tell(now, "retransmit", f"packet {number} for the {ordinal(self.outstanding[number].times)} time: {why}")
        return again

    def _transmit(self, number: int, now: Ns) -> Transmit:
        packet = self.outstanding[number]
        packet.times += 1
        packet.sent_at, packet.due = now, now + self.trips.rto
        return Transmit(Data(number % self.numbers, packet.data))

    def _late(self, number: int, waited: Ns, now: Ns) -> list[Output]:
        """A packet was not acknowledged for so long. Empty; or a `Failed`, where it was sent once too often."""
        times = self.outstanding[number].times
        if times > self._max_retransmissions:
            self._move(Cause.GAVE_UP)
            self.deadline = None
            reason = f"no acknowledgement of packet {number}, sent {times} times"
            self._tell(now, "failed", reason)
            return [Failed(reason)]
        self._move(Cause.TIMEOUT)
        self._tell(now, "rto", f"packet {number} not acknowledged within {format_duration(waited)}")
        return []

    # Being acknowledged

    def _forget(self, upto: int, now: Ns, rtt: Ns | None) -> None:
        """The packets before `upto` have arrived, and told a round trip or none: the window moves on."""
        for number in range(self.snd_una, upto):
            self._bytes_acknowledged += len(self.outstanding.pop(number).data)
        self.snd_una = upto
        self._move(Cause.ACKED if self.outstanding else Cause.ACKED_ALL)
        self._arm(now)
        self._tell(now, "ack", f"everything before packet {upto} has arrived", rtt)

    def _sample(self, number: int, now: Ns) -> Ns | None:
        """The round trip of a packet, unless it was sent more than once: then nobody knows which of them was
        acknowledged (Karn's algorithm, RFC 6298 §3)."""
        packet = self.outstanding[number]
        if packet.times > 1 or now <= packet.sent_at:
            return None
        self.trips.update(now - packet.sent_at)
        return now - packet.sent_at

    def _old_ack(self, number: int, now: Ns) -> list[Output]:
        self._tell(now, "dup_ack", f"number {number} says nothing new")
        return [Dropped("old_ack")]

    # For every part

    def _move(self, cause: Cause) -> None:
        self.state = TRANSITIONS[self.state, cause]

    def _tell(self, now: Ns, cause: str, why: str, rtt: Ns | None = None) -> None:
        if self._trace is None:
            return
        packets = self.outstanding.values()
        self._trace(
            Decision(
                at=now,
                who=self._who,
                cause=cause,
                state=self.state.value,
                flight_size=sum(len(packet.data) for packet in packets if not packet.acknowledged),
                snd_una=self._bytes_acknowledged,
                snd_nxt=self._bytes_acknowledged + sum(len(packet.data) for packet in packets),
                rtt=rtt,
                srtt=self.trips.srtt,
                rttvar=self.trips.rttvar,
                rto=self.trips.rto,
                retransmissions=self.retransmissions,
                why=why,
            )
        )


def ordinal(number: int) -> str:
    """`1` -> `1st`.

    >>> [ordinal(n) for n in (1, 2, 3, 4, 11, 22)]
    ['1st', '2nd', '3rd', '4th', '11th', '22nd']
    """
    suffix = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"
