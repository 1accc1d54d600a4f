"""What happens in one run of the bench, as one JSON object: the seed, the link, what is typed when, and what was done
by hand.

    {"seed": 1, "link": {"loss": "30%", "delay": "40ms"}, "texts": [{"at": 0, "text": "hi"}],
     "changes": [{"at": 2000000000, "link": {"loss": "0%"}}],
     "fates": [{"over": "udp", "packet": "client>server:5", "do": "drop"}], "until": 10000000000}

Times are ns from when everybody is in the room. The script is the experiment: the same one gives the same run, byte for
byte, and two scripts that are alike up to a time give runs that are alike up to then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, get_args

import msgspec

from netlab.errors import NetlabError, UnitError
from netlab.network.link_config import BadLink, ConstantRate, Fate, LinkConfig
from netlab.network.link_options import change_options, link_from_options
from netlab.units import Ns, S, format_duration, parse_duration

Over: TypeAlias = Literal["udp", "tcp", "rudp", "ws"]
LANES: tuple[Over, ...] = get_args(Over)
"""In the order in which they are shown."""

CLIENT, SERVER = "client", "server"
THERE, BACK = f"{CLIENT}>{SERVER}", f"{SERVER}>{CLIENT}"

LONGEST_RUN: Ns = 120 * S
LONGEST_DELAY: Ns = 1 * S
"""One way, jitter included: beyond it some would not come in before their hellos run out."""
LEAST_RATE = 16_000
"""Bits a second."""
MOST_TEXTS, MOST_BYTES = 200, 64 * 1024
"""Texts of a script, and bytes of all of them together."""
LONGEST_TEXT = 16 * 1024
MOST_CHANGES, MOST_FATES = 1_000, 1_000
MOST_SEED = 2**53 - 1
"""What a number in JavaScript can hold exactly."""

Doing: TypeAlias = Literal["drop", "deliver", "duplicate", "corrupt", "delay"]


class BadScript(NetlabError, ValueError):
    """A script that can't be run; the message says what to write."""


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From `at` on, the link is another. As it is written, those options that are not named stay as they are; as it was
    read, all of them are here."""

    at: Ns
    link: dict[str, str]


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody types a text, and sends it at `at`."""

    at: Ns
    text: str


class ByHand(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What somebody does to one packet.

    Attributes:
        over: in which lane.
        packet: its id, as the timeline has it: `client>server:5`.
        do: `deliver` lets it pass whatever the dice say.
        by: for `delay`: how much longer it takes.
    """

    over: Over
    packet: str
    do: Doing
    by: str = ""

    @property
    def direction(self) -> str:
        return self.packet.rpartition(":")[0]

    @property
    def fate(self) -> Fate:
        """For the link.

        Raises:
            BadScript: no packet is called that, or a delay does not say how long.
        """
        number = self.packet.rpartition(":")[2]
        if self.direction not in (THERE, BACK) or not (number.isascii() and number.isdecimal() and len(number) < 8):
            raise BadScript(f"fates: {self.packet!r} is no packet: write such as {THERE}:5 or {BACK}:2")
        if int(number) == 0:
            raise BadScript(f"fates: packets are counted from 1: write {self.direction}:1")
        if bool(self.by) != (self.do == "delay"):
            raise BadScript(f'fates: {self.do} of {self.packet}: "by" goes with delay: write "by": "50ms"')
        return Fate(int(number), self.do, _duration("fates", self.by) if self.by else 0)


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One run.

    Attributes:
        link: both directions of it, in every lane.
        until: where the run ends.
    """

    seed: int = 1
    link: dict[str, str] = {}
    changes: tuple[Change, ...] = ()
    texts: tuple[Text, ...] = ()
    fates: tuple[ByHand, ...] = ()
    until: Ns = 10 * S

    def links(self) -> list[tuple[Ns, LinkConfig]]:
        """What the link is like, from when on; the first from 0."""
        return [(0, _link(self.link)), *((change.at, _link(change.link)) for change in self.changes)]

    @property
    def coming_in(self) -> LinkConfig:
        """The link while people come in: as slow as it is at first, and otherwise perfect."""
        return link_from_options({key: text for key, text in self.link.items() if key in ("delay", "rate")})

    def fates_in(self, over: str) -> dict[str, tuple[Fate, ...]]:
        """What is done by hand in one lane, by direction."""
        mine = [by_hand for by_hand in self.fates if by_hand.over == over]
        return {
            direction: tuple(by_hand.fate for by_hand in mine if by_hand.direction == direction)
            for direction in (THERE, BACK)
        }


def read_script(data: bytes | str | Mapping[str, Any]) -> Script:
    """The script that a JSON text, or what was read from one, describes: in order of time, checked, every change of the
    link with all its options.

    Raises:
        BadScript: it can't be run; the message is one line that says what to write.
    """
    try:
        if isinstance(data, bytes | str):
            script = msgspec.json.decode(data, type=Script)
        else:
            script = msgspec.convert(data, Script)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise BadScript(f"no script: {error}") from None
    _check(script)
    options = first = _merged({}, script.link)
    changes = []
    for change in sorted(script.changes, key=lambda change: change.at):
        options = _merged(options, change.link)
        taken_away = dict.fromkeys(first.keys() - options.keys(), "")
        changes.append(Change(change.at, options | dict(sorted(taken_away.items()))))
    ordered = msgspec.structs.replace(
        script, link=first, changes=tuple(changes), texts=tuple(sorted(script.texts, key=lambda text: text.at))
    )
    ordered.links()
    return ordered


def _check(script: Script) -> None:
    if not 0 <= script.seed <= MOST_SEED:
        raise BadScript(f"seed: {script.seed} is not from 0 to {MOST_SEED}: write such as 7")
    if not 0 < script.until <= LONGEST_RUN:
        raise BadScript(f"until: {script.until} ns is not from 1 to {LONGEST_RUN}: write such as {10 * S} for 10 s")
    for name, these, most in (
        ("texts", script.texts, MOST_TEXTS),
        ("changes", script.changes, MOST_CHANGES),
        ("fates", script.fates, MOST_FATES),
    ):
        if len(these) > most:
            raise BadScript(f"{name}: {len(these)} are more than {most}: begin again with fewer")
    for name, at in [("texts", text.at) for text in script.texts] + [("changes", c.at) for c in script.changes]:
        if not 0 <= at <= LONGEST_RUN:
            raise BadScript(f"{name}: at {at} is not from 0 to {LONGEST_RUN} ns")
    sizes = [_size(text.text) for text in script.texts]
    if max(sizes, default=0) > LONGEST_TEXT or sum(sizes) > MOST_BYTES:
        raise BadScript(f"texts: at most {LONGEST_TEXT} bytes each and {MOST_BYTES} in all: write less")
    seen = set()
    for by_hand in script.fates:
        if by_hand.fate.delay > LONGEST_RUN:
            raise BadScript(f"fates: a delay of {by_hand.by} is more than {format_duration(LONGEST_RUN)}")
        if (by_hand.over, by_hand.packet) in seen:
            raise BadScript(f"fates: {by_hand.packet} over {by_hand.over} has two: give it one")
        seen.add((by_hand.over, by_hand.packet))


def _size(text: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise BadScript("texts: one of them is not UTF-8") from None


def _merged(options: dict[str, str], change: dict[str, str]) -> dict[str, str]:
    """With those of `change`, and without what they exclude; an option whose text is empty is taken away."""
    spaced = [word for each in (options, change) for key, text in each.items() for word in (key, text) if " " in word]
    if spaced:
        raise BadScript(f"link: {spaced[0]!r} has a space: write such as loss and 30%")
    text = " ".join(f"{key}={value}" for key, value in options.items())
    words = [f"{key}={value}" for key, value in change.items()]
    changed = change_options(text, words)
    pairs = [word.partition("=")[::2] for word in changed.split()]
    return {key: value for key, value in pairs if value}


def _link(options: dict[str, str]) -> LinkConfig:
    """A link of the bench: as everywhere, but nobody is kept out of the room by it."""
    options = {key: text for key, text in options.items() if text}
    if options.get("reorder") in ("0%", "0") and _is_none(options.get("delay")):
        options = {key: text for key, text in options.items() if key not in ("reorder", "gap")}  # a slider at its end
    try:
        config = link_from_options(options)
    except (BadLink, UnitError) as error:
        raise BadScript(f"link: {error}") from None
    if (longest := config.delay.mean + config.delay.jitter) > LONGEST_DELAY:
        raise BadScript(
            f"link: a delay of {format_duration(longest)} with its jitter: at most {format_duration(LONGEST_DELAY)}"
        )
    if isinstance(config.rate, ConstantRate) and config.rate.bit_s < LEAST_RATE:
        raise BadScript(f"link: rate={options['rate']} is too slow for people to come in: write at least rate=16kbit")
    return config


def _is_none(delay: str | None) -> bool:
    return delay is None or _duration("link: delay", delay) == 0


def _duration(name: str, text: str) -> Ns:
    try:
        return parse_duration(text)
    except UnitError as error:
        raise BadScript(f"{name}: {error}") from None
