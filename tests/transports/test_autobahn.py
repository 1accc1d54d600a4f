"""The cases of the Autobahn test suite, run by `kosoku`, on netlab's WebSocket and on the `websockets` library's own.

All but groups 9 (speed), 12 and 13 (deflate, which is off here). Autobahn asks for an echo of any message, and netlab's
peers take packets only; so the echo stands on the same server's and client's end, with `Messages` in the place of
`Packets`: what reads frames, answers pings, closes and fails is theirs. The text's UTF-8 is checked here.

    pytest -s -m slow tests/transports/test_autobahn.py        prints the verdicts side by side
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import kosoku
import pytest
from websockets.asyncio.client import connect as anybodys_connect
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as anybodys_serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Opcode
from websockets.protocol import State

from netlab.chat.limits import ChatLimits
from netlab.chat.messages import Goodbye
from netlab.protocols.websocket import CLOSE, close_frame, frame
from netlab.transports import HubShell
from netlab.transports.url import Address
from netlab.transports.websocket import Messages, WebSocketClient, WebSocketEnd, WebSocketServer
from netlab.units import S

from .arena import live

EXCLUDED = ["9.*", "12.*", "13.*"]
CASES = 247
INVALID_TEXT = 1007
UNKNOWING = ChatLimits(hello_within=600 * S)

Verdict = tuple[str, str]
Verdicts = dict[str, Verdict]

pytestmark = pytest.mark.slow


async def verdicts(running: Awaitable[Any]) -> Verdicts:
    """What Autobahn says of the messages and of the close, by case."""
    try:
        results = await running
    except kosoku.FailureError as failure:
        results = failure.results or []
    return {result.case_id: (result.behavior.value, result.behavior_close.value) for result in results}


def is_text(message: bytes) -> bool:
    try:
        message.decode()
    except UnicodeDecodeError:
        return False
    return True


# The server's end


class EchoEnd(WebSocketEnd):
    """Says every message back."""

    def __init__(self, server: WebSocketServer) -> None:
        super().__init__(server)
        self._messages = Messages()

    def message_came(self, message: bytes) -> None:
        if self._messages.kind is Opcode.TEXT and not is_text(message):
            self._write(frame(INVALID_TEXT.to_bytes(2, "big"), CLOSE))
            self._close()
        else:
            self._write(frame(message, self._messages.kind))

    def farewell(self, reason: Goodbye, packets: list[bytes]) -> bytes:
        """No packet that says why: Autobahn expects none."""
        return close_frame(reason.code, reason.detail)


@asynccontextmanager
async def netlab_echo() -> AsyncIterator[str]:
    server = WebSocketServer(HubShell(limits=UNKNOWING))
    listener = await asyncio.get_running_loop().create_server(lambda: EchoEnd(server), "127.0.0.1", 0)
    server.listening(listener, "ws", *listener.sockets[0].getsockname()[:2])
    yield server.url
    await server.close()


@asynccontextmanager
async def websockets_echo() -> AsyncIterator[str]:
    async def echo(connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            async for message in connection:
                await connection.send(message)

    quiet = logging.getLogger("a library whose peer breaks the rules on purpose")
    quiet.disabled = True
    async with anybodys_serve(echo, "127.0.0.1", 0, compression=None, logger=quiet) as server:
        yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"


async def judge_server(echo: Callable[[], Any]) -> Verdicts:
    async with echo() as url:
        return await verdicts(kosoku.run_fuzzingclient(url, exclude_cases=EXCLUDED, concurrency=8))


# The client's end


class CaseAddress(Address, frozen=True):
    """Where a case is asked for: netlab's own servers have no paths."""

    path: str = ""

    def __str__(self) -> str:
        return f"{super().__str__()}{self.path}"


class Alone:
    """The callbacks of a connection that no chat stands behind."""

    def __init__(self) -> None:
        self.counters: Counter[str] = Counter()
        self.entropy = secrets.token_bytes
        self.gone = asyncio.Event()

    def step(self, event: object) -> None:
        """Connected, disconnected: `gone` tells."""

    def received(self, message: bytes) -> None:
        raise AssertionError("Autobahn speaks no packets")

    def disconnected(self) -> None:
        self.gone.set()


class EchoClient(WebSocketClient):
    """Says every message back."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._messages = Messages()
        super().connection_made(transport)

    def message_came(self, message: bytes) -> None:
        if self._http.state is not State.OPEN:  # closed in the same read
            return
        if self._messages.kind is not Opcode.TEXT:
            self._http.send_binary(message)
        elif is_text(message):
            self._http.send_text(message)
        else:
            self._http.fail(INVALID_TEXT)
        self._say_what_is_due()


async def netlab_client(host: str, port: int, path: str) -> None:
    alone = Alone()
    with suppress(OSError):
        await EchoClient(alone).connect(CaseAddress("ws", host, port, path=path), None)
        await alone.gone.wait()


async def websockets_client(host: str, port: int, path: str) -> None:
    with suppress(ConnectionClosed):
        async with anybodys_connect(f"ws://{host}:{port}{path}", compression=None) as connection:
            async for message in connection:
                await connection.send(message)


async def judge_client(echo: Callable[[str, int, str], Awaitable[None]], agent: str) -> Verdicts:
    async with kosoku.run_fuzzingserver(exclude_cases=EXCLUDED, port=0) as server:
        for case in range(1, CASES + 1):
            await echo(server.address, server.port, f"/runCase?case={case}&agent={agent}")
        await echo(server.address, server.port, f"/updateReports?agent={agent}")
        return await verdicts(server.get_result())


# Side by side

PASSED = {"OK", "NON-STRICT", "INFORMATIONAL"}
"""Autobahn's own words for a case that is passed. NON-STRICT: what came before the fault was echoed or not, which in
groups 3 and 4 is a matter of what came in one read; or UTF-8 was judged at the end of a message and not at once."""


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def passed(verdict: Verdict) -> bool:
    return set(verdict) <= PASSED


def compare(end: str, ours: Verdicts, theirs: Verdicts) -> None:
    assert len(ours) == len(theirs) == CASES
    tell(f"\n{end}: {CASES} cases of Autobahn, messages / close")
    for name, found in (("netlab", ours), ("websockets", theirs)):
        counts = Counter(found.values()).most_common()
        of_kinds = ", ".join(f"{count} {' / '.join(verdict)}" for verdict, count in counts)
        tell(f"  {name:12}{sum(map(passed, found.values()))} passed: {of_kinds}")
    for case, found in ours.items():
        if found != theirs[case] or not passed(found):
            tell(f"  {case:8}netlab {' / '.join(found)}; websockets {' / '.join(theirs[case])}")
    assert [case for case in ours if passed(theirs[case]) and not passed(ours[case])] == []
    assert sum(map(passed, ours.values())) >= CASES - 1


@live(240)
async def test_the_server_passes_as_far_as_the_library() -> None:
    compare("server", await judge_server(netlab_echo), await judge_server(websockets_echo))


@live(240)
async def test_the_client_passes_as_far_as_the_library() -> None:
    compare("client", await judge_client(netlab_client, "netlab"), await judge_client(websockets_client, "websockets"))
