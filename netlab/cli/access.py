"""Who may come in: tokens, and where one may listen without one."""

from __future__ import annotations

import ipaddress
import re
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import click

if TYPE_CHECKING:
    TextType: TypeAlias = click.ParamType[str]
else:
    TextType = click.ParamType  # a generic class since click 8.5 only

Command = TypeVar("Command", bound=Callable[..., Any])

AUTO = "auto"
"""The token that asks for a new one."""

TOKEN_BITS = 128
"""What a token must be worth at least, bits, as far as its length can tell."""


def new_token() -> str:
    """128 bits that nobody can guess, as 32 hex digits: base64url may begin with `-`, as options do."""
    return secrets.token_hex(TOKEN_BITS // 8)


def token_bits(token: str) -> int:
    """The most that a token of this length and these characters can be worth, bits.

    >>> token_bits("0123456789abcdef" * 2), token_bits("x" * 22), token_bits("twelve chars")
    (128, 132, 96)
    """
    if re.fullmatch("[0-9a-fA-F]*", token):
        return 4 * len(token)
    if re.fullmatch("[0-9a-zA-Z_-]*", token):
        return 6 * len(token)
    return 8 * len(token.encode("utf-8", "replace"))


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address: 127.0.0.0/8, ::1 or localhost.

    >>> [is_loopback(host) for host in ("localhost", "127.8.9.1", "::1", "0.0.0.0", "::", "example.org")]
    [True, True, True, False, False, False]
    """
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_ipv6(host: str) -> bool:
    """Whether it is written as an IPv6 address, with a zone or without."""
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True


def check_hosting(hosts: list[str], token: str, *, insecure: bool) -> str:
    """The token that a server on `hosts` asks for: as given, or made where it is `auto`; empty for none.

    Raises:
        click.UsageError: the token is too short, or there is none and others than this machine could come in.
    """
    if token == AUTO:
        return new_token()
    if token and token_bits(token) < TOKEN_BITS:
        raise click.UsageError(
            f"the token is worth {token_bits(token)} bits at most and needs {TOKEN_BITS} (16 bytes, 22 characters of "
            "base64url or 32 hex digits): --token auto makes one",
            click.get_current_context(silent=True),
        )
    if not token and not insecure and (reachable := [host for host in hosts if not is_loopback(host)]):
        raise click.UsageError(
            f"others than this machine reach {reachable[0]}: listening there needs --token auto (or a token of yours), "
            "or --insecure to let anybody in",
            click.get_current_context(silent=True),
        )
    return token


def made_token(token: str) -> str:
    """What is told of a token that was made just now."""
    return f"the token is {token}: clients say --token, or NETLAB_TOKEN in the environment"


class TokenText(TextType):
    """A token, or `auto`."""

    name = "token"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Refuse what can't be sent: an empty text, or bytes that are not UTF-8."""
        text = str(value)
        try:
            text.encode()
        except UnicodeEncodeError:
            self.fail("it is not UTF-8", param, ctx)
        if not text:
            self.fail(f"it is empty: --token {AUTO} makes one", param, ctx)
        return text


def token_option(help: str) -> Callable[[Command], Command]:
    """`--token`. NETLAB_TOKEN says it too, and does not show in the list of processes."""
    return click.option(
        "--token",
        type=TokenText(),
        default=None,
        envvar="NETLAB_TOKEN",
        metavar="TEXT|auto",
        help=f"{help} Better said in the environment as NETLAB_TOKEN: there other users don't see it.",
    )
