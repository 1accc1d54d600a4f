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
