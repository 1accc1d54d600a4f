"""A chat through a bad network: a proxy with netlab's link stands between this client and the server."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import msgspec

from netlab.cli import link_account
from netlab.cli.link_options import read_file
from netlab.network.link_options import parse_link
from netlab.network.proxy import UdpProxy
from netlab.network.seeds import seeded_streams

NONE = "none"
"""What takes all options away."""

_EXCLUDING = (
    ("loss", "gilbert", "loss_state", "drop_every", "drop", "loss_trace"),
    ("rate", "rate_trace"),
)


class ChatLink:
    """The link of one chat, and how it is changed from within.

    Attributes:
        text: the link as one would write it, both ways.
        proxy: where the client connects to.
    """

    def __init__(self, text: str, proxy: UdpProxy) -> None:
        self.text = text
        self.proxy = proxy

    def change(self, words: list[str]) -> None:
        """Make the options like this, and leave the others as they are; `none` takes all away.

        Raises:
            BadLink: it can't be so; nothing has changed.
        """
        text = changed(self.text, words)
        self.proxy.configure(parse_link(text, read_file))
        self.text = text

    def data(self) -> dict[str, Any]:
        """What the link is like, and did so far."""
        directions = link_account.as_data(self.proxy.accounts)
        for counters in directions.values():
            counters |= {f"dropped_{reason}": count for reason, count in counters.pop("dropped").items()}
        return {"options": self.text or NONE, **directions, "ends": msgspec.to_builtins(self.proxy.ends)}


def changed(text: str, words: list[str]) -> str:
    """The options of `text`, with those of `words` instead of what they exclude.

    >>> changed("loss=5% delay=40ms", ["gilbert=1%,10%"])
    'delay=40ms gilbert=1%,10%'
    >>> changed("loss=5% delay=40ms", ["none", "delay=1ms"])
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
                    options.pop(other, None)
        options[key] = value if equals else ""
    return " ".join(f"{key}={value}" for key, value in options.items())


@contextlib.contextmanager
def linked(text: str, seed: int, to: tuple[str, int]) -> Iterator[ChatLink]:
    """A link to the server at `to`, for one client.

    Raises:
        CannotProxy: the server's name is not known.
    """
    config = parse_link(text, read_file)
    local = "::1" if ":" in to[0] else "127.0.0.1"
    with UdpProxy((local, 0), to, seeded_streams(seed), to_server=config) as proxy:
        yield ChatLink(text, proxy)
