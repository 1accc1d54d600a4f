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

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from netlab.network.link_config import BadLink, LinkConfig
from netlab.network.link_options import parse_link
from netlab.scenarios.flows import Kind
from netlab.scenarios.quantities import BadScenario

READY = Path(__file__).parent / "ready"


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
    flows: list[Kind]

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


def parse_scenario(text: str) -> Scenario:
    """A scenario from TOML.

    Raises:
        BadScenario: not TOML, a key that is not known or missing, or a value that cannot be.
    """
    try:
        return scenario_of(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise BadScenario(f"not TOML: {error}") from None
    except RecursionError:
        raise BadScenario("not a scenario: nested too deeply") from None


def scenario_of(data: dict[str, Any]) -> Scenario:
    """A scenario from what a TOML file holds.

    Raises:
        BadScenario: as `parse_scenario`.
    """
    try:
        return msgspec.convert(data, Scenario)
    except msgspec.ValidationError as error:
        raise BadScenario(_in_words(str(error), data)) from None


EXAMPLES = {
    "about": 'about = "what it shows"',
    "source": 'source = "where its figures come from"',
    "link": 'link = "loss=1% delay=20ms"',
    "there": 'there = "rate=1mbit delay=20ms"',
    "back": 'back = "rate=10mbit delay=20ms"',
    "flows": '[[flows]] and below it kind = "datagrams" and rate = "1mbit"',
    "kind": 'kind = "datagrams"',
    "rate": 'rate = "1mbit"',
    "size": 'size = "1200B"',
    "lasts": 'lasts = "10s"',
    "begins": 'begins = "5s"',
    "spacing": 'spacing = "poisson"',
    "direction": 'direction = "back"',
    "people": "people = 5",
    "messages": "messages = 20",
    "over": 'over = "udp"',
    "cc": 'cc = "cubic"',
    "profile": 'profile = "linux"',
}
"""A right form of every key."""


def _in_words(problem: str, data: Any) -> str:
    """What msgspec says, with the value that it says it of and a right form.

    >>> _in_words("Expected `str`, got `int` - at `$.flows[0].size`", {"flows": [{"size": 1200}]})
    'flows[0].size = 1200: expected `str`, got `int`: write size = "1200B"'
    """
    what, _, path = problem.partition(" - at `$")
    path = path.removesuffix("`").removeprefix(".")
    if "write " in what:  # one of our own sentences
        return f"{path}: {what}" if path else what
    value: Any = data
    key = ""
    for part in re.findall(r"[^.\[\]]+", path):
        value, key = (value[int(part)], key) if isinstance(value, list) else (value.get(part), part)
    field = re.search(r"field `(.*)`", what)
    if field is not None:
        shown, key = path, field[1]
    else:
        shown = f"{path} = {str(value)[:40]}" if path else ""
    example = f": write {EXAMPLES[key]}" if key in EXAMPLES else f": write one of {', '.join(EXAMPLES)}"
    return f"{shown}: {what[0].lower()}{what[1:]}{example}" if shown else f"{what[0].lower()}{what[1:]}{example}"


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
    except FileNotFoundError:
        known = ", ".join(sorted(file.stem for file in READY.glob("*.toml")))
        raise BadScenario(f"{name}: there is no such file and no such scenario; ready ones are {known}") from None
    except UnicodeDecodeError:
        raise BadScenario(f"{name}: not text, so no scenario") from None
    except OSError as error:
        raise BadScenario(f"{name}: {error.strerror}") from None
    try:
        return parse_scenario(text)
    except BadScenario as error:
        raise BadScenario(f"{name}: {error}") from None
