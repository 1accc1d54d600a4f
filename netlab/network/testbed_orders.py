"""What the caller of a testbed and the process that is the testbed say to each other, over a socket that keeps messages
apart. Either side's death is the end of the stream; the caller's is an order to end everything.

    built or refused -> (the caller makes sockets in it) -> start -> ... -> done
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from netlab.network.link import Account
from netlab.network.link_config import LinkConfig
from netlab.network.namespace import Way


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller asks for.

    Attributes:
        command, peer: run on A and on B; `peer` may be empty.
        congestion: control of both hosts' kernels, or None for the system's.
        bare: the host whose kernel gets no address: frames are there for a program that takes them (`LinkEnd`).
        capture: descriptor of the file, or None.
        link_line: whether COMMAND gets a line on which to change the link (`link_line`).
    """

    way: Way
    config: LinkConfig
    seed: int
    command: list[str]
    peer: list[str]
    congestion: str | None
    bare: str | None
    capture: int | None
    link_line: bool


class Start(msgspec.Struct, frozen=True, tag="start"):
    """Run the programs."""


class Signal(msgspec.Struct, frozen=True, tag="signal"):
    """Send COMMAND this signal."""

    number: int


Order: TypeAlias = Start | Signal
"""To the testbed. The end of the line is the order to end COMMAND: SIGTERM, and SIGKILL after a while."""


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """The kernel refused a step."""

    step: str
    errno: int


class NotStarted(msgspec.Struct, frozen=True, tag="not-started"):
    """A program could not be run."""

    program: str
    errno: int


class Built(msgspec.Struct, frozen=True, tag="built"):
    """The hosts are there; `networks` are their namespaces, as `namespace.network_of` names them."""

    networks: list[str]


class Done(msgspec.Struct, frozen=True, tag="done"):
    """COMMAND has ended. See `testbed.Result`; a signal's number is negative here."""

    status: int
    peer_status: int | None
    accounts: dict[str, Account]
    missed: int
    frames: int
    failed: str | None


Report: TypeAlias = Refused | NotStarted | Built | Done
"""To the caller."""
