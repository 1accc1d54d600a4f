"""The class's pages, over WebSocket with JSON in text frames. Who opens one says first who it is.

/class/join    {"token": ..., "name": "ann", "over": "udp"}     a student: then {"say": "hi"}
/class/teach   {"secret": ...}                                  the teacher: then orders, as `classroom.Order`
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import weakref
from collections import deque
from typing import Any, Literal, TypeVar

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from netlab.chat import messages as m
from netlab.chat.client_events import Changed
from netlab.errors import MessageTooBig, NetlabError
from netlab.transports import Chat, connect
from netlab.web import limits
from netlab.web.access import hostname
from netlab.web.classroom import BadOrder, Classroom, Order

ROOM, SAY = "lobby", "message"
"""Where everybody is, and what their texts are called: as in terminals."""

T = TypeVar("T")


class _Student(msgspec.Struct, forbid_unknown_fields=True):
    token: str
    name: str
    over: Literal["udp", "rudp"] = "udp"


class _Teacher(msgspec.Struct, forbid_unknown_fields=True):
    secret: str


class _Say(msgspec.Struct, forbid_unknown_fields=True):
    say: str


class _Telling:
    """What a page is told, in order, and no faster than it reads: what it is too slow for is counted, not kept."""

    def __init__(self, page: web.WebSocketResponse) -> None:
        self._page = page
        self._waiting: deque[dict[str, Any]] = deque()
        self._came = asyncio.Event()
        self._missed = 0
        self._task = asyncio.get_running_loop().create_task(self._run())

    def __call__(self, what: dict[str, Any]) -> None:
        if len(self._waiting) >= limits.TOLD_AHEAD:
            self._waiting.popleft()
            self._missed += 1
        self._waiting.append(what)
        self._came.set()

    async def _run(self) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                await self._came.wait()
                self._came.clear()
                while self._waiting:
                    if self._missed:
                        missed, self._missed = self._missed, 0
                        await self._page.send_str(_text({"type": "missed", "count": missed}))
                    await self._page.send_str(_text(self._waiting.popleft()))

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])


class _Pages:
    def __init__(self, classroom: Classroom) -> None:
        self._class = classroom
        self._students = self._teachers = 0
        self._open_ones: weakref.WeakSet[web.WebSocketResponse] = weakref.WeakSet()

    async def _open(self, request: web.Request) -> web.WebSocketResponse:
        page = web.WebSocketResponse(heartbeat=20.0, max_msg_size=limits.COMMAND, compress=False)
        await page.prepare(request)
        self._open_ones.add(page)
        return page

    async def close(self, _: web.Application) -> None:
        """Everything is let go, so that goodbyes pass, and every page is closed."""
        self._class.let_go()
        for page in list(self._open_ones):
            await page.close(code=WSCloseCode.GOING_AWAY)

    # The teacher

    async def teach(self, request: web.Request) -> web.StreamResponse:
        page = await self._open(request)
        said = await _first(page, _Teacher)
        if said is None or not _same(said.secret, self._class.secret):
            return await _refuse(page, "this is not the teacher's secret: open the address that netlab web printed")
        if self._teachers >= limits.TEACHERS:
            return await _refuse(page, f"{limits.TEACHERS} pages of the teacher's are open: close one")
        self._teachers += 1
        tell = _Telling(page)
        try:
            tell(self._class.welcome(hostname(request.headers.get("Host", ""))))
            self._class.listeners.add(tell)
            async for message in page:
                try:
                    self._class.order(_read(message, Order))
                except BadOrder as error:
                    tell({"type": "error", "error": str(error)})
        finally:
            self._class.listeners.discard(tell)
            self._teachers -= 1
            await tell.close()
        return page

    # A student

    async def join(self, request: web.Request) -> web.StreamResponse:
        page = await self._open(request)
        said = await _first(page, _Student)
        if said is None:
            return await _refuse(page, 'say who you are: {"token": ..., "name": "ann", "over": "udp"}')
        if not _same(said.token, self._class.token):
            return await _refuse(page, "the class has another token: ask the teacher")
        if self._students >= limits.BROWSERS:
            return await _refuse(page, f"{limits.BROWSERS} browsers are in the class: join from a terminal")
        self._students += 1
        try:
            url = self._class.local_url(said.over)
            async with connect(url, name=said.name, token=self._class.token) as chat:
                await chat.join(ROOM)
                await self._talk(page, chat)
        except NetlabError as error:
            return await _refuse(page, str(error))
        finally:
            self._students -= 1
        return page

    async def _talk(self, page: web.WebSocketResponse, chat: Chat) -> None:
        tell = _Telling(page)
        tell({"type": "in", "name": chat.name, "room": ROOM})
        hearing = asyncio.create_task(self._hear(page, chat, tell))
        saying: set[asyncio.Task[None]] = set()
        try:
            async for message in page:
                try:
                    text = _read(message, _Say).say
                except BadOrder as error:
                    tell({"type": "error", "error": str(error)})
                    continue
                if len(saying) >= limits.UNDER_WAY:
                    tell({"type": "error", "error": "too many texts are under way: wait for an answer"})
                    continue
                task = asyncio.create_task(self._say(chat, text, tell))
                saying.add(task)
                task.add_done_callback(saying.discard)
        finally:
            for task in (hearing, *saying):
                task.cancel()
            await tell.close()

    async def _say(self, chat: Chat, text: str, tell: _Telling) -> None:
        try:
            outcome = (await chat.emit(SAY, text, to=ROOM)).status
        except (MessageTooBig, UnicodeEncodeError) as error:
            tell({"type": "error", "error": str(error)})
            outcome = "failed"
        tell({"type": "ended", "text": text, "outcome": outcome})

    async def _hear(self, page: web.WebSocketResponse, chat: Chat, tell: _Telling) -> None:
        async for event in chat.events():
            match event:
                case m.Message(event=kind, args=[str(text)]) if kind == SAY:
                    tell({"type": "heard", "name": event.name, "text": text})
                case m.Joined() | m.Left():
                    tell({"type": "joined" if isinstance(event, m.Joined) else "left", "name": event.name})
                case Changed(status, code, detail):
                    tell({"type": "status", "status": status, "detail": code or detail})
        await page.close()


def add_class(app: web.Application, classroom: Classroom) -> None:
    """Let an application answer a class's pages."""
    pages = _Pages(classroom)
    app.add_routes([web.get("/class/join", pages.join), web.get("/class/teach", pages.teach)])
    app.on_shutdown.append(pages.close)


async def _first(page: web.WebSocketResponse, kind: type[T]) -> T | None:
    """What it says first; None where that is nothing, or no sense."""
    try:
        async with asyncio.timeout(limits.FIRST_WORD_S):
            return _read(await page.receive(), kind)
    except (TimeoutError, BadOrder):
        return None


def _read(message: Any, kind: type[T]) -> T:
    if message.type is not WSMsgType.TEXT:
        raise BadOrder("write JSON in text frames")
    try:
        return msgspec.json.decode(message.data, type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise BadOrder(f"no sense in that: {error}") from None


async def _refuse(page: web.WebSocketResponse, why: str) -> web.WebSocketResponse:
    with contextlib.suppress(ConnectionError):
        await page.send_str(_text({"type": "refused", "error": why}))
        await page.close()
    return page


def _same(said: str, known: str) -> bool:
    return hmac.compare_digest(said.encode("utf-8", "replace"), known.encode())


def _text(what: dict[str, Any]) -> str:
    return msgspec.json.encode(what).decode()
