"""Transport URLs: `tcp://127.0.0.1:9000`, `udp://[::1]:9001`, `wss://chat.example:9003`."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

from netlab.errors import NetlabError
from netlab.packets.endpoint import DEFAULT_PORTS, ENCRYPTED, format_host_port

DEFAULT_HOST = "127.0.0.1"


class Address(msgspec.Struct, frozen=True):
    """Where a transport listens, or is reached. `str()` is the URL.

    Attributes:
        certified: the name in the server's certificate, where that is not the host.
    """

    scheme: str
    host: str
    port: int
    certified: str = ""

    @property
    def encrypted(self) -> bool:
        """Inside TLS."""
        return self.scheme in ENCRYPTED.values()

    def __str__(self) -> str:
        return f"{self.scheme}://{format_host_port(self.host, self.port)}"


class BadUrl(NetlabError, ValueError):
    """Not the URL of a transport; the message shows a right one."""


def parse_url(url: str) -> Address:
    """The parts of a transport URL; the port may be left out.

    Raises:
        BadUrl: an unknown scheme, a port out of range, or no URL at all.

    >>> str(parse_url("udp://localhost"))
    'udp://localhost:9001'
    """
    example = f"such as tcp://{DEFAULT_HOST}:{DEFAULT_PORTS['tcp']}"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BadUrl(f"{url!r} is not a URL ({error}): write one {example}") from None
    if parts.scheme not in DEFAULT_PORTS:
        known = ", ".join(f"{scheme}://" for scheme in DEFAULT_PORTS)
        raise BadUrl(f"{url!r} does not begin with one of {known}: write one {example}")
    if not parts.hostname or parts.path not in ("", "/") or parts.query:
        raise BadUrl(f"{url!r} is not scheme://host:port: write one {example}")
    return Address(parts.scheme, parts.hostname, DEFAULT_PORTS[parts.scheme] if port is None else port)


def parse_host_port(text: str, scheme: str) -> Address:
    """`127.0.0.1:9000`, `[::1]:9000`, `:9000`, `9000` or `host` as the address of a transport.

    Raises:
        BadUrl: as `parse_url`.
    """
    if text.isdecimal():
        text = f"{DEFAULT_HOST}:{text}"
    elif text.startswith(":"):
        text = f"{DEFAULT_HOST}{text}"
    return parse_url(f"{scheme}://{text}")
