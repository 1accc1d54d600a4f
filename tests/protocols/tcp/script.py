"""Scripts in the way of packetdrill: a time, what happens, what the connection does about it.

    run([
        #  ms  what happens                what comes of it
        (0,    "open",                     ["S 0 mss 1460"]),
        (100,  "< SA 0 ack 1 win 1000",    ["established", ". 1 ack 1"], State.ESTABLISHED),
        (100,  "send 10",                  ["P 1+10 ack 1"]),
        (1100, "timer",                    ["P 1+10 ack 1"]),
    ])

A segment is its flags (S F R P U E W, `.` for ACK alone; A where ACK stands beside SYN, FIN or RST), its first number
and `+length`, and whatever fields are to be seen: `ack`, `win`, `up`, `mss`, `ws`, `sackok`, `ts VAL ECR`,
`sack 5-10,20-30`. Numbers count from each side's initial one. A segment that comes has the fields it names; of one that
goes only the fields that the script names are compared; `-` says that it is not there. What is told is a word
(`established`, `deliver 10`, `peer closed`, `closed`, `failed reset`, `stalled`, `urgent 5`), what is dropped may be
left out. A timer that is due and has no line is an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from netlab.packets.tcp import (
    FLAGS,
    MaximumSegmentSize,
    Sack,
    SackPermitted,
    TcpFlags,
    TcpOption,
    TcpSegment,
    Timestamps,
    WindowScale,
)
from netlab.protocols.congestion import Reno
from netlab.protocols.tcp import (
    RFC,
    Abort,
    ActiveOpen,
    Close,
    Closed,
    Connection,
    Deliver,
    Dropped,
    Established,
    Event,
    Failed,
    Output,
    PassiveOpen,
    PauseReading,
    PeerClosed,
    Read,
    ResumeReading,
    SegmentArrived,
    Send,
    Stalled,
    State,
    TcpConfig,
    TimerFired,
    Transmit,
    UrgentData,
)
from netlab.units import MS

PLAIN = msgspec.structs.replace(RFC, sack=False, timestamps=False, window_scaling=False)
"""No options but the MSS: what RFC 9293 alone describes."""

_LETTERS = {
    "S": TcpFlags.SYN,
    "F": TcpFlags.FIN,
    "R": TcpFlags.RST,
    "P": TcpFlags.PSH,
    "U": TcpFlags.URG,
    "E": TcpFlags.ECE,
    "W": TcpFlags.CWR,
    "A": TcpFlags.ACK,
    ".": TcpFlags.ACK,
}
_CALLS: dict[str, Event] = {
    "open": ActiveOpen(),
    "listen": PassiveOpen(),
    "close": Close(),
    "close deaf": Close(deaf=True),
    "abort": Abort(),
    "pause": PauseReading(),
    "resume": ResumeReading(),
    "timer": TimerFired(),
}

Step = tuple[Any, ...]


class Script:
    """A connection that is stepped, and what happened so far."""

    def __init__(
        self,
        config: TcpConfig = PLAIN,
        *,
        iss: int = 10_000,
        irs: int = 50_000,
        control: Any = Reno,
        timestamp_offset: int = 0,
    ) -> None:
        self.connection = Connection(
            1000, 80, iss=iss, config=config, control=control, timestamp_offset=timestamp_offset
        )
        self.iss, self.irs = iss, irs
        self.log: list[str] = []

    def run(self, steps: Sequence[Step]) -> Connection:
        """Go through the steps; the first that goes otherwise is told with all before it."""
        for ms, what, expected, *state in steps:
            now = round(ms * MS)
            deadline = self.connection.deadline
            if deadline is not None and deadline < now:
                raise AssertionError(self._story(f"{ms:8} {what}: a timer at {deadline / MS} ms has no line"))
            outputs = self.connection.handle(self._event(what), now)
            got = [self._shown(output) for output in outputs]
            self.log.append(f"{ms:8}  {what:40} {'; '.join(got)}   [{self.connection.state.value}]")
            seen = [(output, text) for output, text in zip(outputs, got, strict=True) if self._counts(output, expected)]
            if len(seen) != len(expected) or not all(
                self._fits(output, text, wanted) for (output, text), wanted in zip(seen, expected, strict=True)
            ):
                raise AssertionError(self._story(f"expected: {'; '.join(expected) or 'nothing'}"))
            if state and self.connection.state is not state[0]:
                raise AssertionError(self._story(f"expected state: {state[0].value}"))
            assert self.connection.tcb.sender.board.is_consistent()
        return self.connection

    def _story(self, end: str) -> str:
        return "\n".join(["", *self.log, end])

    # ---- what happens ----

    def _event(self, what: str) -> Event:
        if what in _CALLS:
            return _CALLS[what]
        word, _, rest = what.partition(" ")
        match word:
            case "send":
                return Send(bytes(int(rest)))
            case "urgent":
                return Send(bytes(int(rest)), urgent=True)
            case "read":
                return Read(int(rest))
            case "<":
                return SegmentArrived(self._segment(rest))
            case "<ce":
                return SegmentArrived(self._segment(rest), congestion_experienced=True)
        raise ValueError(what)

    def _segment(self, text: str) -> TcpSegment:
        letters, first, *words = text.split()
        flags = 0
        for letter in letters:
            flags |= _LETTERS[letter]
        if letters in ("P", "U", "PU"):
            flags |= TcpFlags.ACK
        seq, _, length = first.partition("+")
        fields = dict(_pairs(words))
        options: list[TcpOption] = []
        if "mss" in fields:
            options.append(MaximumSegmentSize(int(fields["mss"])))
        if "ws" in fields:
            options.append(WindowScale(int(fields["ws"])))
        if "sackok" in fields:
            options.append(SackPermitted())
        if "ts" in fields:
            options.append(Timestamps(*map(int, fields["ts"].split())))
        if "sack" in fields:
            options.append(Sack(tuple(_edges(fields["sack"], self.iss))))
        return TcpSegment(
            80,
            1000,
            (int(seq) + self.irs) % 2**32,
            (int(fields["ack"]) + self.iss) % 2**32 if "ack" in fields else 0,
            FLAGS[int(flags)],
            int(fields.get("win", 65535)),
            bytes(int(length or 0)),
            tuple(options),
            int(fields.get("up", 0)),
        )

    # ---- what comes of it ----

    @staticmethod
    def _counts(output: Output, expected: Sequence[str]) -> bool:
        return not isinstance(output, Dropped) or any(wanted.startswith("dropped") for wanted in expected)

    def _shown(self, output: Output) -> str:
        match output:
            case Transmit(segment):
                return self._shown_segment(segment)
            case Established():
                return "established"
            case Deliver(data):
                return f"deliver {len(data)}"
            case PeerClosed():
                return "peer closed"
            case Closed():
                return "closed"
            case Failed(code, _):
                return f"failed {code}"
            case Stalled(_):
                return "stalled"
            case UrgentData(ahead):
                return f"urgent {ahead}"
            case Dropped(reason):
                return f"dropped {reason}"

    def _shown_segment(self, segment: TcpSegment) -> str:
        flags = segment.flags
        letters = "".join(letter for letter, flag in _LETTERS.items() if letter not in "A." and flags & flag)
        if flags & TcpFlags.ACK and flags & (TcpFlags.SYN | TcpFlags.FIN | TcpFlags.RST):
            letters += "A"
        relative = (segment.sequence_number - self.iss + 2**31) % 2**32 - 2**31
        length = f"+{len(segment.payload)}" if segment.payload else ""
        words = [letters or ".", f"{relative}{length}"]
        if flags & TcpFlags.ACK:
            words.append(f"ack {(segment.acknowledgment_number - self.irs + 2**31) % 2**32 - 2**31}")
        words.append(f"win {segment.window}")
        if flags & TcpFlags.URG:
            words.append(f"up {segment.urgent_pointer}")
        for option in segment.options:
            match option:
                case MaximumSegmentSize(mss):
                    words.append(f"mss {mss}")
                case WindowScale(shift):
                    words.append(f"ws {shift}")
                case SackPermitted():
                    words.append("sackok")
                case Timestamps(value, echo):
                    words.append(f"ts {value} {echo}")
                case Sack(blocks):
                    shown = [f"{(a - self.irs) % 2**32}-{(b - self.irs) % 2**32}" for a, b in blocks]
                    words.append(f"sack {','.join(shown)}")
        return " ".join(words)

    def _fits(self, output: Output, text: str, wanted: str) -> bool:
        if not isinstance(output, Transmit):
            return text == wanted
        got_words, words = text.split(), wanted.split()
        if got_words[:2] != words[:2]:
            return False
        got, fields = dict(_pairs(got_words[2:])), dict(_pairs(words[2:]))
        return all(got.get(key, "-") == value for key, value in fields.items())


def _pairs(words: list[str]) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    at = 0
    while at < len(words):
        takes = {"sackok": 0, "ts": 2}.get(words[at], 1)
        if words[at] in ("ws", "sack", "sackok", "ts", "mss") and at + 1 < len(words) and words[at + 1] == "-":
            takes = 1  # `sack -`: not there
        pairs.append((words[at], " ".join(words[at + 1 : at + 1 + takes])))
        at += 1 + takes
    return pairs


def _edges(text: str, base: int) -> list[tuple[int, int]]:
    return [
        ((int(left) + base) % 2**32, (int(right) + base) % 2**32)
        for left, right in (block.split("-") for block in text.split(","))
    ]


def run(steps: Sequence[Step], config: TcpConfig = PLAIN, **options: Any) -> Connection:
    """Step a new connection."""
    return Script(config, **options).run(steps)


OPEN: list[Step] = [
    (0, "open", ["S 0"]),
    (0, "< SA 0 ack 1 win 65535 mss 1460", ["established", ". 1 ack 1"], State.ESTABLISHED),
]
"""An active open in no time, to a peer that takes segments of 1460 bytes."""

ACCEPT: list[Step] = [
    (0, "listen", []),
    (0, "< S 0 mss 1460", ["SA 0 ack 1"], State.SYN_RECEIVED),
    (0, "< . 1 ack 1", ["established"], State.ESTABLISHED),
]
"""A passive open."""
