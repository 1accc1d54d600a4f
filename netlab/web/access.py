"""Who may ask the page's server: browsers that were told its own name, and pages that come from it.

Any page that a browser shows may send requests to this machine, and a name that a stranger owns may point to it. So the
`Host` has to be one of ours (else a stranger's name was made to mean this machine), and where a browser names the page
that asks, it has to be this server's own.
"""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})

_A_STRANGER = ("192.0.2.1", 9)
"""An address of nobody's (RFC 5737): a socket that is to reach it shows which of ours others see; nothing is sent."""


class Names:
    """The names that this server answers to.

    Args:
        bound: the address that it is bound to. Where that is every address of the machine, any address written in
            numbers will do, and the machine's own name: a stranger's trick needs a name of his.
    """

    def __init__(self, bound: str) -> None:
        self._any = is_wildcard(bound)
        self._names = own_names(bound)

    def has(self, host: str) -> bool:
        """Whether the `Host` of a request is one of ours.

        >>> [Names("127.0.0.1").has(host) for host in ("localhost:9080", "[::1]:1", "evil.example", "10.0.0.1", "")]
        [True, True, False, False, False]
        >>> [Names("0.0.0.0").has(host) for host in ("10.0.0.1:9080", "evil.example:9080")]
        [True, False]
        """
        name = hostname(host)
        return name in self._names or (self._any and _is_address(name))


def own_names(bound: str) -> set[str]:
    """What this machine is called by those who reach what is bound there, as far as it knows itself."""
    names = set(LOOPBACK_NAMES) | {bound.lower()}
    if is_wildcard(bound):
        own = socket.gethostname().lower()
        names |= {own, f"{own}.local", seen_as(bound), *_addresses_of(own)}
    return names


def seen_as(bound: str) -> str:
    """An address under which this machine is reached, where it listens at all of them."""
    if not is_wildcard(bound):
        return bound
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_A_STRANGER)
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def hostname(host: str) -> str:
    """The name or address in a `Host`, without its port; "" where it is none.

    >>> hostname("LOCALHOST:9080"), hostname("[::1]:9080"), hostname("a b")
    ('localhost', '::1', '')
    """
    try:
        return urlsplit(f"//{host}").hostname or "" if not any(sign in host for sign in " /\\@?#") else ""
    except ValueError:
        return ""


def is_wildcard(host: str) -> bool:
    """Whether it stands for every address of the machine."""
    return _is_address(host) and ipaddress.ip_address(host).is_unspecified


def is_own_page(origin: str | None, host: str) -> bool:
    """Whether the page that asks came from where it asks; who is no browser names no page.

    >>> is_own_page(None, "localhost:9080"), is_own_page("http://localhost:9080", "localhost:9080")
    (True, True)
    >>> is_own_page("http://localhost:9081", "localhost:9080"), is_own_page("null", "localhost:9080")
    (False, False)
    """
    return origin is None or origin.lower() in (f"http://{host}".lower(), f"https://{host}".lower())


def _addresses_of(name: str) -> set[str]:
    try:
        return {str(found[4][0]) for found in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        return set()


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
