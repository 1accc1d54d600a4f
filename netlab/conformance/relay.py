"""The bad network: relays between clients and hub, a path for each client so that one can be broken alone.

    client --- path "s0" ---\
    client --- path "r0" ----- hub
    client --- path "r1" ---/

A role of its own, told what to do on stdin (see `role`). It knows datagrams and bytes; what they mean it doesn't know.
"""

from __future__ import annotations

import argparse
import random
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from netlab.conformance import role
from netlab.conformance.datagram_path import DatagramPath
from netlab.conformance.impairment import DatagramFaults, StreamFaults
from netlab.conformance.stream_path import StreamPath

AnyPath = TypeVar("AnyPath", DatagramPath, StreamPath)


class Relay:
    """All paths of one experiment."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._paths: dict[str, DatagramPath | StreamPath] = {}

    async def open(self, path: str, scheme: str, link: str, upstream: str) -> str:
        """Make a path to the server at URL `upstream`; the URL where clients find it."""
        kind = DatagramPath if link == "datagram" else StreamPath
        new = self._paths[path] = kind(_address(upstream), self._rng(path, "up"), self._rng(path, "down"))
        return f"{scheme}://127.0.0.1:{await new.open()}"

    def _of_kind(self, name: str, kind: type[AnyPath]) -> AnyPath:
        path = self._paths[name]
        if not isinstance(path, kind):
            raise TypeError(f"path {name} is a {type(path).__name__}, which has no such faults")
        return path

    def _rng(self, path: str, direction: str) -> random.Random:
        return random.Random(f"{self._seed}/{path}/{direction}")

    async def move(self, upstream: str) -> None:
        """The hub is at another URL now."""
        for path in self._paths.values():
            path.move(_address(upstream))

    async def datagram_faults(
        self, paths: list[str], up: dict[str, Any] | None = None, down: dict[str, Any] | None = None
    ) -> None:
        """From now on, what happens to datagrams towards the hub, and from it."""
        for name in paths:
            self._of_kind(name, DatagramPath).faults = {
                "up": msgspec.convert(up or {}, DatagramFaults),
                "down": msgspec.convert(down or {}, DatagramFaults),
            }

    async def stream_faults(self, paths: list[str], faults: dict[str, Any]) -> None:
        """From now on, what happens to connections (but for cuts)."""
        for name in paths:
            self._of_kind(name, StreamPath).faults = msgspec.convert(faults, StreamFaults)

    async def cuts(self, path: str, count: int, faults: dict[str, Any]) -> None:
        """Cut connections of a path at random points, so many times; comes back when that is done."""
        await self._paths[path].cut_times(count, msgspec.convert(faults, StreamFaults))

    async def cut(self, paths: list[str]) -> None:
        """Cut what is open on these paths now."""
        for name in paths:
            self._paths[name].cut()

    async def block(self, paths: list[str], blocked: bool) -> None:
        """Let nothing through, or everything again."""
        for name in paths:
            self._paths[name].block(blocked)

    async def counters(self, path: str) -> dict[str, dict[str, int]]:
        """What passed and what was done to it, by direction."""
        return {direction: dict(counts) for direction, counts in self._paths[path].counted().items()}


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)  # a subject's scheme is its own, so this is no URL of `netlab.transports`
    if parts.hostname is None or parts.port is None:
        raise ValueError(f"{url!r} names no host and port")
    return parts.hostname, parts.port


def main() -> None:
    """Play the network's role."""
    parser = argparse.ArgumentParser(prog="python -m netlab.conformance.relay", description=main.__doc__)
    parser.add_argument("--seed", required=True)
    relay = Relay(parser.parse_args().seed)

    async def body() -> None:
        await role.play(
            {
                "open": relay.open,
                "move": relay.move,
                "datagram_faults": relay.datagram_faults,
                "stream_faults": relay.stream_faults,
                "cuts": relay.cuts,
                "cut": relay.cut,
                "block": relay.block,
                "counters": relay.counters,
            }
        )

    role.run(body)


if __name__ == "__main__":
    main()
