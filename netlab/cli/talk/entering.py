"""Getting into a chat: under which name, and who hosts it."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import secrets
import ssl
from collections.abc import AsyncIterator, Callable, Iterator

import msgspec

from netlab.chat.limits import NAME_BYTES, NAME_LENGTH
from netlab.chat.names import canonical
from netlab.errors import ConnectionEnded, NetlabError, Refused
from netlab.transports import CannotListen, Chat, client_tls, connect, serve

NUMBERED = 9
"""Names with a number that are tried in order, before numbers are drawn by lot."""

QUICKLY_S = 2.0
"""A failure to connect within this means that nobody listened, s; a later one that something else is there."""

ATTEMPTS = 30
"""Names tried in all."""


class Server(msgspec.Struct, frozen=True):
    """What is needed to get into one chat server; `certified` and `elsewhere` as for `connect`."""

    url: str
    token: str = ""
    tls: ssl.SSLContext | None = None
    certified: str = ""
    elsewhere: list[str] = []


def login_name() -> str:
    """Who is logged in, as a name that a hub takes."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):  # no such user in the system's list
        user = ""
    name = "".join(character if canonical(character) else "-" for character in user).strip("-")[: NAME_LENGTH - 5]
    while len(name.encode()) > NAME_BYTES - 5:
        name = name[:-1]
    return canonical(name) or "guest"


def names_like(name: str) -> Iterator[str]:
    """The name; then with a number, the first ones in order.

    >>> list(names_like("ann"))[:3]
    ['ann', 'ann2', 'ann3']
    """
    yield name
    yield from (f"{name}{number}" for number in range(2, NUMBERED + 1))
    for _ in range(ATTEMPTS - NUMBERED):
        yield f"{name}{secrets.randbelow(9000) + 1000}"


def tls_for_client(authority: str | None) -> ssl.SSLContext:
    """A context that verifies the server, by the system's authorities or by the PEM file of another one.

    Raises:
        NetlabError: the file is not usable.
    """
    try:
        return client_tls(authority)
    except ssl.SSLError as error:
        raise NetlabError(f"{authority} is no PEM file of an authority: {error.reason}") from None
    except OSError as error:
        raise NetlabError(f"{authority}: {error.strerror}") from None


@contextlib.asynccontextmanager
async def join(server: Server, name: str | None) -> AsyncIterator[Chat]:
    """Connect under the name, or, without one, under the login name with a number where it is taken.

    Raises:
        Refused: the server does not take this client.
        ConnectionEnded: nobody answers there.
    """
    async with contextlib.AsyncExitStack() as stack:
        taken: Refused | None = None
        for candidate in [name] if name else names_like(login_name()):
            try:
                chat = await stack.enter_async_context(
                    connect(
                        server.url,
                        name=candidate,
                        token=server.token,
                        tls=server.tls,
                        certified=server.certified,
                        elsewhere=server.elsewhere,
                    )
                )
            except Refused as refused:
                if refused.code != "name_taken":
                    raise
                taken = refused
            else:
                yield chat
                return
        assert taken is not None
        raise taken


async def join_or_host(
    stack: contextlib.AsyncExitStack, server: Server, name: str | None, *, may_host: bool, tell: Callable[[str], None]
) -> Chat:
    """Join; where nobody listens, host the chat and join it. What was opened is closed by `stack`.

    Args:
        tell: is told, in one line, that the chat is hosted here.

    Raises:
        Refused: the server does not take this client.
        ConnectionEnded: nobody answers there.
        CannotListen: nobody answers there, and it can't be hosted there.
    """
    began = asyncio.get_running_loop().time()
    try:
        return await stack.enter_async_context(join(server, name))
    except ConnectionEnded as error:
        if not may_host:
            raise
        why = str(error)
        quickly = asyncio.get_running_loop().time() - began < QUICKLY_S
    try:
        listener = await stack.enter_async_context(serve(server.url, token=server.token))
    except CannotListen as error:
        if not quickly:
            what = "something else has the port: choose another" if error.taken else str(error)
            raise ConnectionEnded(f"{server.url}: {why}, and {what}", clean=False) from None
        try:
            return await stack.enter_async_context(join(server, name))  # somebody began to listen meanwhile
        except ConnectionEnded:
            if error.taken:
                raise
            raise ConnectionEnded(f"{why}, and {error}", clean=False) from None
    tell(f"nobody listens at {server.url}: hosting the chat there, until you leave")
    return await stack.enter_async_context(join(msgspec.structs.replace(server, url=listener.url), name))


async def somebody_listens(server: Server) -> bool:
    """Ask once, without a name. Whoever refuses this listens too."""
    try:
        async with connect(server.url, token=server.token, tls=server.tls, reconnect=False):
            return True
    except Refused:
        return True
    except ConnectionEnded:
        return False
