"""Exercise 07, second part: an ARQ of your own.

A class made as `MyArq(window=4)`, of which one is made for each end, with `handle(event, now)` and `deadline` as in
`netlab.protocols.arq.machine`; derive it from `netlab.protocols.arq.Arq`, or write all of it. It is run between two
hosts whose link loses, doubles and delays the packets that the case lists.

What has to hold: the other end's application gets all that was sent, in order, once; no more than a window of packets
is on its way, none of them beyond what was acknowledged by a window; and all of it comes to an end.

Source: the sliding window of RFC 9293 §3.4 and §3.8.6, with packets in place of bytes.
"""

from __future__ import annotations

import heapq
from collections import Counter
from typing import Any, Literal

import msgspec
from hypothesis import strategies as st

from netlab.course.check.conversation import DELAY, RECEIVER, SENDER, framed_datagram
from netlab.course.check.engine import Exercise
from netlab.course.check.verdict import Complaint, Frame
from netlab.protocols.arq import Ack, Arrived, Data, Deliver, Failed, Send, TimerFired, Transmit, encode
from netlab.units import MS, Ns, S

WINDOW = 4
PATIENCE: Ns = 300 * S
"""Virtual time that an ARQ has for a handful of packets."""

MOST_SENT = 2000
"""Packets in one case: an ARQ that sends more does not wait for anything."""

Kind = Literal["data", "ack"]
Fault = tuple[Kind, int, Literal["lost", "doubled", "late"]]


class Trial(msgspec.Struct, frozen=True):
    """How many packets the application sends, and what the link does: to the nth data packet or acknowledgement that is
    sent, counted from 1, repetitions included."""

    packets: int
    faults: tuple[Fault, ...]

    def __str__(self) -> str:
        faults = [
            f"{'data packet' if kind == 'data' else 'acknowledgement'} {n} {does}" for kind, n, does in self.faults
        ]
        return f"{self.packets} packets, a window of {WINDOW}; {', '.join(faults) or 'a clean link'}"


class _Run:
    """Two ends, and the link between them."""

    def __init__(self, arq: Any, case: Trial) -> None:
        self.case = case
        self.ends = [arq(window=WINDOW), arq(window=WINDOW)]
        self.faults = {(kind, number): does for kind, number, does in case.faults}
        self.sent: Counter[str] = Counter()
        self.heard: list[bytes] = []
        self.frames: list[Frame] = []
        self.acknowledged = 0  # packets before this one were acknowledged, to the sender's knowledge
        self.ended = False  # nobody waits for anything any more
        self.failed: str | None = None
        self.beyond: int | None = None
        self._heap: list[tuple[Ns, int, int, Any]] = []
        self._order = 0
        self._numbers: dict[int, int] = {}

    def run(self) -> None:
        for number in range(self.case.packets):
            self._push(0, 0, Send(b"message %d" % number))
        now = 0
        while now <= PATIENCE and self.sent.total() <= MOST_SENT and self.failed is None and self.beyond is None:
            timers = [
                (end.deadline, -1, k, TimerFired()) for k, end in enumerate(self.ends) if end.deadline is not None
            ]
            at, _, end, event = min([*timers, *self._heap[:1]], key=lambda one: one[:3], default=(None, 0, 0, None))
            if at is None:
                self.ended = True
                return
            if self._heap and (at, end, event) == (self._heap[0][0], self._heap[0][2], self._heap[0][3]):
                heapq.heappop(self._heap)
            now = max(now, at)
            self._tell(end, event, now)

    def _push(self, at: Ns, end: int, event: Any) -> None:
        self._order += 1
        heapq.heappush(self._heap, (at, self._order, end, event))

    def _tell(self, end: int, event: Any, now: Ns) -> None:
        if end == 0 and isinstance(event, Arrived) and isinstance(event.pdu, Ack):
            self.acknowledged = max(self.acknowledged, event.pdu.number)
        for output in self.ends[end].handle(event, now):
            match output:
                case Transmit(pdu):
                    self._carry(end, pdu, now)
                case Deliver(data):
                    self.heard.append(data)
                case Failed(reason):
                    self.failed = reason

    def _carry(self, end: int, pdu: Data | Ack, now: Ns) -> None:
        kind: Kind = "data" if isinstance(pdu, Data) else "ack"
        self.sent[kind] += 1
        if isinstance(pdu, Data) and end == 0 and pdu.number >= self._una() + WINDOW:
            self.beyond = pdu.number
        does = self.faults.get((kind, self.sent[kind]))
        names, addresses = (
            (("sender", "receiver"), (SENDER, RECEIVER))
            if end == 0
            else (
                ("receiver", "sender"),
                (RECEIVER, SENDER),
            )
        )
        frame = framed_datagram(encode(pdu), *addresses, number=self.sent.total())
        self.frames.append(Frame(names[0], now, frame, outbound=True))
        link = f"{names[0]}>{names[1]}"
        if does == "lost":
            self.frames.append(Frame(link, now + DELAY, frame, "dropped: lost on the way (loss)"))
            return
        delay = 5 * DELAY if does == "late" else DELAY
        for copy in range(2 if does == "doubled" else 1):
            at = now + delay + copy * MS
            self.frames.append(Frame(link, at, frame))
            self.frames.append(Frame(names[1], at, frame, outbound=False))
            self._push(at, 1 - end, Arrived(pdu))

    def _una(self) -> int:
        """The oldest packet that the sender may take for unacknowledged: selective acknowledgements name others."""
        return max(self.acknowledged, getattr(self.ends[0], "snd_una", 0))


def _judge(arq: Any, case: Trial) -> Complaint | None:
    run = _Run(arq, case)
    run.run()
    due = [b"message %d" % number for number in range(case.packets)]
    sentence = _why(run, due)
    if sentence is None:
        return None
    return Complaint(
        sentence,
        given=str(case),
        expected=f"{case.packets} messages in order, each once",
        got=", ".join(data.decode(errors="replace") for data in run.heard) or "nothing",
        hint="number, acknowledge, repeat: and know a repetition when it comes (RFC 9293 §3.4)",
        frames=tuple(sorted(run.frames, key=lambda frame: frame.at)[:120]),
    )


def _why(run: _Run, due: list[bytes]) -> str | None:
    heard = run.heard
    if run.beyond is not None:
        return f"packet {run.beyond} was sent although only those before {run._una() + WINDOW} are within the window"
    if run.failed is not None:
        return f"the sender gave up ({run.failed}) on a link that loses a few packets and no more"
    if heard == due:
        if not run.ended:
            return "all was delivered, and it sends again for ever: a repetition has to be acknowledged too"
        return None
    if any(count > 1 for count in Counter(heard).values()):
        return "a message was delivered twice: a repetition, or a copy, was taken for a new packet"
    if heard != sorted(heard, key=due.index):
        return "messages were delivered out of order: what is early has to wait, or to be dropped"
    if run.sent.total() > MOST_SENT:
        return "it sends and sends, and gets nowhere: what does it wait for before it repeats?"
    return "not everything was delivered, and nobody does anything any more: what was lost has to be sent again"


_FAULTS: st.SearchStrategy[Fault] = st.tuples(
    st.sampled_from(["data", "ack"]), st.integers(1, 6), st.sampled_from(["lost", "doubled", "late"])
)

exercise: Exercise[Trial] = Exercise(
    name="arq",
    notebook="07",
    write="a class MyArq(window=...) with handle(event, now) and deadline, as netlab.protocols.arq.Arq",
    cases=st.builds(
        lambda packets, faults: Trial(packets, tuple(faults)),
        st.integers(1, 6),
        st.lists(_FAULTS, max_size=4, unique_by=lambda fault: fault[:2]),
    ),
    judge=_judge,
)
