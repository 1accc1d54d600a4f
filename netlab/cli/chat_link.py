"""A chat through a bad network: netlab's link, in a proxy or in a testbed, before the server."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import msgspec

from netlab.cli import link_account
from netlab.cli.link_options import read_file
from netlab.network.link import Account
from netlab.network.link_config import LinkConfig
from netlab.network.link_line import LinkLine
from netlab.network.link_options import NONE, change_options, parse_link
from netlab.network.proxy import TO_CLIENT, TO_SERVER, UdpProxy
from netlab.network.seeds import seeded_streams

_DIRECTIONS = {"A>B": TO_SERVER, "B>A": TO_CLIENT}


_Data: TypeAlias = dict[str, Any]


class ChatLink:
    """The link of one chat, and how it is changed from within.

    Args:
        change: has the link itself changed.
        look: asks what it did so far: in each direction, and what else befell packets at its ends.

    Attributes:
        text: the link as one would write it, both ways.
        near: where the client connects to instead of the server; None where the server's own address leads there.
    """

    def __init__(
        self,
        text: str,
        change: Callable[[LinkConfig], object],
        look: Callable[[], tuple[dict[str, Account], _Data]],
        near: tuple[str, int] | None = None,
    ) -> None:
        self.text = text
        self.near = near
        self._change, self._look = change, look

    def change(self, words: list[str]) -> None:
        """Make the options like this, and leave the others as they are; `none` takes all away.

        Raises:
            BadLink: it can't be so; nothing has changed.
        """
        text = change_options(self.text, words)
        self._change(parse_link(text, read_file))
        self.text = text

    def data(self) -> _Data:
        """What the link is like, and did so far."""
        accounts, ends = self._look()
        directions = link_account.as_data(accounts)
        for counters in directions.values():
            counters |= {f"dropped_{reason}": count for reason, count in counters.pop("dropped").items()}
        return {"options": self.text or NONE, **directions, "ends": ends}


@contextlib.contextmanager
def through_proxy(text: str, seed: int, to: tuple[str, int]) -> Iterator[ChatLink]:
    """A link to the server at `to`, for one client that sends datagrams.

    Raises:
        CannotProxy: the server's name is not known.
    """
    config = parse_link(text, read_file)
    local = "::1" if ":" in to[0] else "127.0.0.1"
    with UdpProxy((local, 0), to, seeded_streams(seed), to_server=config) as proxy:
        yield ChatLink(
            text, proxy.configure, lambda: (proxy.accounts, msgspec.to_builtins(proxy.ends)), near=proxy.address
        )


def of_testbed(text: str, line: LinkLine) -> ChatLink:
    """The link of the testbed that this client runs in: it is host A, and the server is beyond B."""

    def look() -> tuple[dict[str, Account], _Data]:
        told = line.look()
        return {_DIRECTIONS[name]: account for name, account in told.accounts.items()}, {"missed": told.missed}

    return ChatLink(text, line.change, look)
