"""What `netlab web` answers over HTTP: the page, the runs of the bench, and the class.

    GET  /                 the page; /class that of a class; /static/... what they are made of
    GET  /settings.json    where the rooms are
    POST /bench/run        a script -> its timeline
    POST /bench/packet     {"script": ..., "over": "udp", "packet": "client>server:5"} -> its layers
    POST /bench/capture    {"script": ..., "over": "udp"} -> pcapng
    GET  /class/...        WebSockets of the class: see `class_pages`

Nothing is kept between two requests. A run takes some tens of milliseconds of computing, in a thread, one at a time, so
that the chat beside it goes on.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from netlab import __version__
from netlab.errors import NetlabError
from netlab.packets.endpoint import format_host_port
from netlab.scenarios.bench import BadScript, capture, packet, read_script, timeline
from netlab.web import limits
from netlab.web.access import Names, hostname, is_own_page
from netlab.web.class_pages import add_class
from netlab.web.classroom import Classroom
from netlab.web.rooms import Rooms

T = TypeVar("T")

STATIC = Path(__file__).parent / "static"

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class CannotServe(NetlabError):
    """The page's address is taken, or is not one of this machine's."""


def listen(host: str, port: int) -> socket.socket:
    """The page's socket; port 0 takes a free one.

    Raises:
        CannotServe: the message says what to do.
    """
    where = f"http://{format_host_port(host, port)}"
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        made = socket.socket(family, kind)
    except (OSError, UnicodeError) as error:
        raise CannotServe(f"cannot listen at {where}: {getattr(error, 'strerror', None) or error}") from None
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(128)
    except OSError as error:
        made.close()
        if error.errno == errno.EADDRINUSE:
            raise CannotServe(f"cannot listen at {where}: the port is taken: choose another, or --port 0") from None
        raise CannotServe(f"cannot listen at {where}: {error.strerror or error}") from None
    return made


@asynccontextmanager
async def serving(app: web.Application, at: socket.socket) -> AsyncIterator[None]:
    """Answer at this socket, as long as the block lasts."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.SockSite(runner, at).start()
        yield
    finally:
        await runner.cleanup()


class _Asked(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a question about one run."""

    script: dict[str, Any]
    over: str
    packet: str = ""


class Page:
    """The page's server, without its socket: `app` is to be served by `aiohttp.web`.

    Args:
        bound: the address that it will listen at.
        rooms: the chat beside it; None where there is none.
        classroom: the class; None where there is none.
    """

    def __init__(self, bound: str, *, rooms: Rooms | None = None, classroom: Classroom | None = None) -> None:
        self._names = Names(bound)
        self._rooms = rooms
        self._classroom = classroom
        self._turn = asyncio.Lock()
        self._waiting = 0
        self.app = web.Application(middlewares=[self._guard], client_max_size=limits.BODY)
        self.app.add_routes(
            [
                web.get("/", _file),
                web.get("/class", _file),
                web.get("/static/{name:.+}", _file),
                web.get("/settings.json", self._settings),
                web.post("/bench/run", self._run),
                web.post("/bench/packet", self._packet),
                web.post("/bench/capture", self._capture),
            ]
        )
        if classroom is not None:
            add_class(self.app, classroom)

    # Who may ask, and what browsers are told about the answer

    @web.middleware
    async def _guard(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        host = request.headers.get("Host", "")
        if not self._names.has(host):
            return _error(403, f"this server is not called {host!r}: open it under the address that it printed")
        if not is_own_page(request.headers.get("Origin"), host):
            return _error(403, "only this server's own page may ask this")
        try:
            response = await handler(request)
        except BadScript as error:
            response = _error(400, str(error))
        except web.HTTPException as error:
            what = f"more than {limits.BODY} bytes: write less" if error.status == 413 else error.reason
            response = _error(error.status, what)
        if not response.prepared:
            response.headers.update(self._headers(host))
        return response

    def _headers(self, host: str) -> dict[str, str]:
        chat = self._chat(host)
        own = "'self'" if chat is None else f"'self' {chat}"
        return {
            "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; "
            f"img-src 'self' data: blob:; connect-src {own}; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cache-Control": "no-cache",
        }

    def _chat(self, host: str) -> str | None:
        return None if self._rooms is None else self._rooms.url_for(hostname(host))

    # The page

    async def _settings(self, request: web.Request) -> web.StreamResponse:
        host = request.headers.get("Host", "")
        told: dict[str, Any] = {
            "ws": self._chat(host),
            "token": self._rooms is not None and self._rooms.asks_for_token,
            "class": self._classroom is not None,
            "version": __version__,
        }
        if self._classroom is not None:
            told["join"] = self._classroom.urls_for(hostname(host))
        return _json(told)

    # The bench

    async def _run(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request)
        return _json(await self._in_turn(lambda: msgspec.json.encode(timeline(read_script(body)))))

    async def _packet(self, request: web.Request) -> web.StreamResponse:
        asked = _asked(await _body(request))
        return _json(await self._in_turn(lambda: packet(read_script(asked.script), asked.over, asked.packet)))

    async def _capture(self, request: web.Request) -> web.StreamResponse:
        asked = _asked(await _body(request))
        data = await self._in_turn(lambda: capture(read_script(asked.script), asked.over))
        name = f'attachment; filename="bench-{asked.over}.pcapng"'
        return web.Response(
            body=data, content_type="application/vnd.tcpdump.pcap", headers={"Content-Disposition": name}
        )

    async def _in_turn(self, work: Callable[[], T]) -> T:
        if self._waiting >= limits.RUNS_WAITING:
            raise web.HTTPServiceUnavailable(reason="busy with other runs: ask again")
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1


async def _file(request: web.Request) -> web.StreamResponse:
    """One of the page's files, and nothing beside them."""
    name = {"/": "index.html", "/class": "class.html"}.get(request.path, request.match_info.get("name", ""))
    file = (STATIC / name.replace("\0", "")).resolve()
    if not file.is_relative_to(STATIC.resolve()) or not file.is_file():
        raise web.HTTPNotFound
    return web.FileResponse(file)


async def _body(request: web.Request) -> bytes:
    """What was posted: JSON, as only this server's own page may send it across names."""
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(reason="send it as application/json")
    return await request.read()


def _asked(body: bytes) -> _Asked:
    try:
        return msgspec.json.decode(body, type=_Asked)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise BadScript(f'no question: {error}: write {{"script": ..., "over": "udp"}}') from None


def _json(told: Any) -> web.Response:
    body = told if isinstance(told, bytes) else msgspec.json.encode(told)
    return web.Response(body=body, content_type="application/json")


def _error(status: int, text: str) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode({"error": text}), content_type="application/json")
