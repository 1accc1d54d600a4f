"""What a scenario file says.

    about = "A long thin line with a bad contact."
    source = "chosen for teaching"
    link = "loss=2% delay=40ms rate=2mbit"       # or there = "..." and back = "..." for each direction

    [[flows]]
    kind = "datagrams"
    rate = "1mbit"

    [[flows]]
    kind = "chat"
    people = 5

Clients stand on one side, the server on the other, and all share the one link between them: link options are those of
the command line. Nothing is done by a file but to describe: it can be given to anybody.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from netlab.errors import NetlabError, UnitError
from netlab.network.hosts import MAX_DATAGRAM
from netlab.network.link_config import BadLink, LinkConfig
from netlab.network.link_options import parse_link
from netlab.units import Ns, parse_duration, parse_rate, parse_size

READY = Path(__file__).parent / "ready"

NUMBER = 16
"""Bytes that a datagram of the `datagrams` flow needs at least: its number and when it was sent."""


class BadScenario(NetlabError, ValueError):
    """A scenario file does not say what one must; the message names the key and shows a right form."""


class Datagrams(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="datagrams"
):
    """One client sends datagrams at a rate, whatever becomes of them.

    Attributes:
        rate: of their payload.
        size: of each one's payload.
        lasts: for how long.
        begins: when.
        spacing: `even`, or at random as independent senders would together.
        direction: `there` is from the client to the server.
    """

    rate: str
    size: str = "1200B"
    lasts: str = "10s"
    begins: str = "0s"
    spacing: Literal["even", "poisson"] = "even"
    direction: Literal["there", "back"] = "there"

    def __post_init__(self) -> None:
        if not self.bit_s > 0:
            raise BadScenario('rate is 0: write rate = "1mbit"')
        if not NUMBER <= self.bytes <= MAX_DATAGRAM:
            raise BadScenario(f'size = "{self.size}" is not from {NUMBER} to {MAX_DATAGRAM} B: write size = "1200B"')
        if not self.duration > 0 or self.start < 0:
            raise BadScenario('lasts is 0: write lasts = "10s"')
        if self.duration * self.bit_s > 8 * self.bytes * 10**9 * 10**7:
            raise BadScenario("that would be more than ten million datagrams: let it last shorter, or send fewer")

    @property
    def bit_s(self) -> int:
        return _quantity("rate", parse_rate, self.rate)

    @property
    def bytes(self) -> int:
        return _quantity("size", parse_size, self.size)

    @property
    def duration(self) -> Ns:
        return _quantity("lasts", parse_duration, self.lasts)

    @property
    def start(self) -> Ns:
        return _quantity("begins", parse_duration, self.begins)


class ChatOfPeople(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="chat"):
    """People join one room of a chat on the server, and each says so many messages, one after the other.

    Attributes:
        over: the transport.
        size: of each text.
    """

    people: int = 3
    messages: int = 20
    size: str = "100B"
    over: Literal["udp"] = "udp"

    def __post_init__(self) -> None:
        if not 1 <= self.people <= 200:
            raise BadScenario(f"people = {self.people} is not from 1 to 200: write people = 5")
        if not 1 <= self.messages <= 10_000:
            raise BadScenario(f"messages = {self.messages} is not from 1 to 10000: write messages = 20")
        if not 32 <= self.bytes <= 200_000:
            raise BadScenario(f'size = "{self.size}" is not from 32 B to 200 kB: write size = "100B"')

    @property
    def bytes(self) -> int:
        return _quantity("size", parse_size, self.size)


Flow: TypeAlias = Datagrams | ChatOfPeople


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One experiment.

    Attributes:
        about: what it shows, for people.
        source: where its figures come from.
        link: options of both directions; or `there`, from the clients to the server, and `back`.
        flows: what is sent, all at once.
    """

    about: str
    source: str
    link: str = ""
    there: str = ""
    back: str = ""
    flows: list[Flow]

    def __post_init__(self) -> None:
        if self.link and (self.there or self.back):
            raise BadScenario('link is for both directions: write link = "...", or there = "..." and back = "..."')
        if not self.flows:
            raise BadScenario('flows is empty: write [[flows]] and below it kind = "datagrams" and rate = "1mbit"')
        for key in ("link", "there", "back"):
            try:
                parse_link(getattr(self, key))
            except BadLink as error:
                raise BadScenario(f"{key}: {error}") from None

    @property
    def directions(self) -> tuple[LinkConfig, LinkConfig]:
        """The link from the clients to the server, and back."""
        return parse_link(self.there or self.link), parse_link(self.back or self.link)


def _quantity(key: str, parse: object, text: str) -> int:
    try:
        value: int = parse(text)  # type: ignore[operator]
    except UnitError as error:
        raise BadScenario(f"{key}: {error}") from None
    return value


def parse_scenario(text: str) -> Scenario:
    """A scenario from TOML.

    Raises:
        BadScenario: not TOML, a key that is not known or missing, or a value that cannot be.
    """
    try:
        return msgspec.convert(tomllib.loads(text), Scenario)
    except tomllib.TOMLDecodeError as error:
        raise BadScenario(f"not TOML: {error}") from None
    except RecursionError:
        raise BadScenario("not a scenario: nested too deeply") from None
    except msgspec.ValidationError as error:
        raise BadScenario(str(error)) from None


def ready() -> dict[str, Scenario]:
    """The scenarios that come with the package, by name."""
    return {path.stem: parse_scenario(path.read_text(encoding="utf-8")) for path in sorted(READY.glob("*.toml"))}


def load(name: str) -> Scenario:
    """A ready scenario by its name, or one from a file.

    Raises:
        BadScenario: there is neither, or the file is none.
    """
    path = READY / f"{name}.toml" if "/" not in name and not name.endswith(".toml") else Path(name)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        known = ", ".join(sorted(file.stem for file in READY.glob("*.toml")))
        why = "not text" if isinstance(error, UnicodeDecodeError) else "there is no such file and no such scenario"
        raise BadScenario(f"{name}: {why}; ready ones are {known}") from None
    try:
        return parse_scenario(text)
    except BadScenario as error:
        raise BadScenario(f"{name}: {error}") from None
