"""Link options as people write them: `loss=1% delay=20ms rate=10mbit`. One function reads them for the command line,
for `/link` in a chat and for scenario files.

Several numbers of one option are separated by commas and stand in netem's order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from netlab.errors import UnitError
from netlab.network.link_config import (
    BadLink,
    CoDel,
    ConstantRate,
    Corrupt,
    Delay,
    DropTail,
    Duplicate,
    FourStateLoss,
    Framing,
    GilbertElliott,
    LinkConfig,
    ListedLoss,
    Loss,
    PeriodicLoss,
    Queue,
    RandomLoss,
    Rate,
    Red,
    Reorder,
    Slot,
    TraceLoss,
    TraceRate,
)
from netlab.units import MS, parse_duration, parse_probability, parse_rate, parse_size

OPTIONS = {
    "loss": ("loss=1% or loss=1%,25%", "share of packets lost; correlation"),
    "gilbert": ("gilbert=1%,10% or gilbert=1%,10%,100%,0%", "losses in bursts (Gilbert-Elliott): p, r, 1-h, 1-k"),
    "loss_state": ("loss_state=1%,90%,5%,50%,1%", "losses in bursts, netem's four states: p13, p31, p32, p23, p14"),
    "drop_every": ("drop_every=10", "every so-many-th packet is lost"),
    "drop": ("drop=1,3", "these packets are lost, counted from 1"),
    "loss_trace": ("loss_trace=FILE", "lost as a file says: 1 for each lost packet, 0 for each other"),
    "corrupt": ("corrupt=0.1% or corrupt=0.1%,25%", "share of packets damaged; correlation"),
    "corrupt_unit": ("corrupt_unit=byte", "what is damaged: one bit or one byte"),
    "corrupt_checksum": ("corrupt_checksum=fix", "keep, or fix the UDP checksum, so that it does not notice"),
    "duplicate": ("duplicate=1% or duplicate=1%,25%", "share of packets that come twice; correlation"),
    "reorder": ("reorder=5% or reorder=5%,50%", "share of packets that skip the delay; correlation"),
    "gap": ("gap=5", "only every so-many-th packet may skip"),
    "queue": ("queue=100packets or queue=64KiB", "what may wait for a slow link"),
    "aqm": ("aqm=codel or aqm=codel,5ms,100ms or aqm=red,5,15,10%,0.2%", "drop before the queue is full"),
    "rate": ("rate=10mbit or rate=1mbit,8,48,5", "bits a second; bytes a packet, cell size, bytes a cell on top"),
    "rate_trace": ("rate_trace=FILE", "the rate of a measured link, in mahimahi's format"),
    "delay": ("delay=20ms", "how long a packet is on its way, one-way"),
    "jitter": ("jitter=2ms", "by how much that varies"),
    "distribution": ("distribution=normal", "of the jitter: uniform, normal, pareto or paretonormal"),
    "jitter_correlation": ("jitter_correlation=25%", "of a packet's jitter with that of the one before"),
    "keep_order": ("keep_order=yes", "jitter does not reorder"),
    "slot": ("slot=10ms or slot=5ms,20ms", "packets gather and come out in bursts, so far apart"),
    "slot_packets": ("slot_packets=8", "packets of one burst at most"),
    "slot_bytes": ("slot_bytes=12kB", "bytes of one burst at most"),
    "mtu": ("mtu=1500", "bytes of the largest packet that passes"),
}
"""Every option: how it is written, and what it does."""

_LOSSES = ("loss", "gilbert", "loss_state", "drop_every", "drop", "loss_trace")
_EXCLUDING = (_LOSSES, ("rate", "rate_trace"))

NONE = "none"
"""What takes all options away, for `change_options`."""


def _no_files(name: str) -> str:
    raise BadLink(f"{name}: no file can be read here")


def parse_link(text: str, read: Callable[[str], str] = _no_files) -> LinkConfig:
    """`"loss=1% delay=20ms"` as a link's configuration; an empty text is a perfect link.

    Args:
        read: gives the text of a trace file by its name.

    Raises:
        BadLink: an unknown option, or a value that cannot be; the message shows the right form.

    >>> parse_link("delay=20ms loss=1%").loss
    RandomLoss(rate=0.01, correlation=0.0)
    """
    options: dict[str, str] = {}
    for word in text.split():
        key, equals, value = word.partition("=")
        if not equals:
            raise BadLink(f"{word!r} is not an option with its value: write such as loss=1% delay=20ms")
        if key in options:
            raise BadLink(f"{key} stands there twice")
        options[key] = value
    return link_from_options(options, read)


def link_from_options(options: Mapping[str, str], read: Callable[[str], str] = _no_files) -> LinkConfig:
    """As `parse_link`, from options that have been taken apart: `{"loss": "1%", "delay": "20ms"}`."""
    for key in options:
        if key not in OPTIONS:
            raise BadLink(f"{key!r} is not an option of a link: they are {', '.join(OPTIONS)}")
    parser = _Parser(dict(options), read)
    config = LinkConfig(
        loss=parser.loss(),
        corrupt=parser.corrupt(),
        duplicate=parser.duplicate(),
        reorder=parser.reorder(),
        queue=parser.queue(),
        rate=parser.rate(),
        delay=parser.delay(),
        slot=parser.slot(),
        mtu=parser.number("mtu", None),
    )
    if parser.left:
        key = next(iter(parser.left))
        needs = _NEEDS.get(key, "jitter")
        raise BadLink(f"{key} does nothing without {needs}: write {OPTIONS[needs][0]} beside it")
    return config


def change_options(text: str, words: list[str]) -> str:
    """The options of `text`, with those of `words` instead of what they exclude.

    >>> change_options("loss=5% delay=40ms", ["gilbert=1%,10%"])
    'delay=40ms gilbert=1%,10%'
    >>> change_options("loss=5% delay=40ms", ["none", "delay=1ms"])
    'delay=1ms'
    """
    options = dict(word.partition("=")[::2] for word in text.split())
    for word in words:
        if word == NONE:
            options.clear()
            continue
        key, equals, value = word.partition("=")
        for group in _EXCLUDING:
            if key in group:
                for other in group:
                    if other != key:
                        options.pop(other, None)
        options[key] = value if equals else ""
    return " ".join(f"{key}={value}" for key, value in options.items())


_NEEDS = {
    "gap": "reorder",
    "corrupt_unit": "corrupt",
    "corrupt_checksum": "corrupt",
    "slot_packets": "slot",
    "slot_bytes": "slot",
}


class _Parser:
    def __init__(self, options: dict[str, str], read: Callable[[str], str]) -> None:
        self.left = options
        self._read = read

    def values(self, key: str, *kinds: Callable[[str], Any], least: int = 1) -> list[Any] | None:
        """The comma-separated values of an option, each by its parser; None where it is not there."""
        text = self.left.pop(key, None)
        if text is None:
            return None
        words = text.split(",")
        try:
            if not least <= len(words) <= len(kinds):
                raise UnitError(f"{text!r} has {len(words)} values")
            return [kind(word) for kind, word in zip(kinds, words, strict=False)]
        except ValueError as error:
            detail = error if isinstance(error, UnitError) else f"{text!r} is not of that form"
            raise BadLink(f"{key}: {detail}; write {OPTIONS[key][0]}") from None

    def number(self, key: str, default: int | None) -> int | None:
        values = self.values(key, _whole)
        return default if values is None else values[0]

    def choice(self, key: str, *choices: str) -> str:
        text = self.left.pop(key, choices[0])
        if text not in choices:
            raise BadLink(f"{key}: {text!r} is none of {', '.join(choices)}: write {OPTIONS[key][0]}")
        return text

    def file(self, key: str) -> str | None:
        name = self.left.pop(key, None)
        return None if name is None else self._read(name)

    def loss(self) -> Loss | None:
        given = [key for key in _LOSSES if key in self.left]
        if len(given) > 1:
            raise BadLink(f"{' and '.join(given)} exclude each other: write one of them")
        share = parse_probability
        if values := self.values("loss", share, share):
            return RandomLoss(*values)
        if values := self.values("gilbert", share, share, share, share):
            p = values[0]
            return GilbertElliott(p, *(values[1:] or [1 - p]))  # netem: r is 1-p where it is not given
        if values := self.values("loss_state", share, share, share, share, share):
            p13 = values[0]
            return FourStateLoss(p13, *(values[1:] or [1 - p13]))
        if values := self.values("drop_every", _whole):
            return PeriodicLoss(values[0])
        if "drop" in self.left:
            count = self.left["drop"].count(",") + 1
            return ListedLoss(tuple(self.values("drop", *[_whole] * count) or ()))
        fates = self.file("loss_trace")
        return None if fates is None else TraceLoss("".join(fates.split()))

    def corrupt(self) -> Corrupt | None:
        values = self.values("corrupt", parse_probability, parse_probability)
        if values is None:
            return None
        unit: Literal["bit", "byte"] = "byte" if self.choice("corrupt_unit", "bit", "byte") == "byte" else "bit"
        fix = self.choice("corrupt_checksum", "keep", "fix") == "fix"
        return Corrupt(*_two(values), unit, fix)

    def duplicate(self) -> Duplicate | None:
        values = self.values("duplicate", parse_probability, parse_probability)
        return None if values is None else Duplicate(*_two(values))

    def reorder(self) -> Reorder | None:
        values = self.values("reorder", parse_probability, parse_probability)
        return None if values is None else Reorder(*_two(values), self.number("gap", 1) or 0)

    def queue(self) -> Queue:
        limit: dict[str, Any] = {}
        if (text := self.left.pop("queue", None)) is not None:
            digits = text.removesuffix("packets")
            packets = digits != text
            self.left["queue"] = digits
            values = self.values("queue", _whole if packets else parse_size)
            limit = {"limit": (values or [0])[0], "unit": "packets" if packets else "bytes"}
        if "aqm" not in self.left:
            return DropTail(**limit)
        name = self.left["aqm"].partition(",")[0]
        if name == "codel":
            return CoDel(*(self.values("aqm", str, parse_duration, parse_duration) or [])[1:], **limit)
        if name != "red":
            raise BadLink(f"aqm: {name!r} is neither codel nor red: write {OPTIONS['aqm'][0]}")
        size = parse_size if limit.get("unit") == "bytes" else _whole
        values = self.values("aqm", str, size, size, parse_probability, parse_probability, least=3)
        return Red(*(values or [])[1:], **limit)

    def rate(self) -> Rate | None:
        if "rate" in self.left and "rate_trace" in self.left:
            raise BadLink("rate and rate_trace exclude each other: write one of them")
        if values := self.values("rate", parse_rate, int, _whole, int):
            return ConstantRate(values[0], Framing(*values[1:]))
        trace = self.file("rate_trace")
        if trace is None:
            return None
        lines = trace.split()
        if not all(line.isascii() and line.isdecimal() and len(line) <= 12 for line in lines):
            raise BadLink("rate_trace: a trace has one time in whole ms a line, such as 0, 1, 1, 4")
        return TraceRate(tuple(int(line) * MS for line in lines))

    def delay(self) -> Delay:
        mean = (self.values("delay", parse_duration) or [0])[0]
        values = self.values("jitter", parse_duration)
        if values is None:
            return Delay(mean)
        correlation = (self.values("jitter_correlation", parse_probability) or [0.0])[0]
        distribution: Any = self.choice("distribution", "uniform", "normal", "pareto", "paretonormal")
        keep_order = self.choice("keep_order", "no", "yes") == "yes"
        return Delay(mean, values[0], distribution, correlation, keep_order)

    def slot(self) -> Slot | None:
        values = self.values("slot", parse_duration, parse_duration)
        if values is None:
            return None
        size = (self.values("slot_bytes", parse_size) or [0])[0]
        return Slot(values[0], values[-1], self.number("slot_packets", 0) or 0, size)


def _two(values: list[Any]) -> tuple[float, float]:
    """A probability and its correlation, 0 where it is not given."""
    return values[0], values[1] if len(values) > 1 else 0.0


def _whole(text: str) -> int:
    """A whole number without a unit."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 12):
        raise UnitError(f"{text!r} is not a whole number")
    return int(text)
