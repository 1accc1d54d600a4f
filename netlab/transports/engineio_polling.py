"""Engine.IO over HTTP polling: requests as aiohttp reads them, and what is answered.

A GET asks for what is said next, and is answered when there is something; a POST brings packets. The answer to the
first GET, which names no session, opens one.
"""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from multidict import CIMultiDict
from websockets.typing import Origin

from netlab.chat.messages import encode_json
from netlab.packets.engineio import SEPARATOR
from netlab.protocols.socketio import MESSAGE_MOST
from netlab.transports.engineio_requests import Wrong, asked
from netlab.transports.socketio_session import Sessions
from netlab.units import S

if TYPE_CHECKING:
    from netlab.transports.engineio_visitors import Visitor


class Polling:
    """Answers the requests of all connections of a server.

    Args:
        origins: of pages that may connect; None for who is no browser.
    """

    def __init__(self, sessions: Sessions, origins: list[Origin | None]) -> None:
        self._sessions = sessions
        self._origins = origins
        self._limits = sessions.limits
        quiet = logging.getLogger("netlab.socketio")
        quiet.addHandler(logging.NullHandler())
        quiet.propagate = False
        self._web = web.Server(
            self._answer,
            handler_cancellation=True,
            keepalive_timeout=self._limits.dead_after / S,
            access_log=None,
            logger=quiet,
            auto_decompress=False,
        )

    def requests(self) -> RequestHandler:
        """What reads the requests of one connection."""
        return self._web()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        visitor = cast("Visitor", request.transport.get_protocol())
        counters = self._sessions.counters
        allowed = self._cors(request)
        visitor.busy = True
        try:
            return await self._polled(request, visitor, allowed)
        except Wrong as wrong:
            counters[wrong.counter] += 1
            return _last(wrong.status, wrong.body, allowed)
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception as error:  # a mistake of ours: told as asyncio tells one, and everybody else goes on
            about = {"message": "a request could not be answered", "exception": error}
            asyncio.get_running_loop().call_exception_handler(about)
            return web.Response(status=HTTPStatus.INTERNAL_SERVER_ERROR)
        finally:
            visitor.busy = False

    def _cors(self, request: web.BaseRequest) -> CIMultiDict[str]:
        """What lets the script of an allowed page read the answer (Fetch standard, CORS protocol)."""
        headers: CIMultiDict[str] = CIMultiDict()
        origin = request.headers.get("Origin")
        if origin is not None and origin in self._origins:
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Allow-Credentials"] = "true"
            headers["Vary"] = "Origin"
            if request.method == "OPTIONS":
                headers["Access-Control-Allow-Methods"] = "GET, POST"
                wanted = request.headers.get("Access-Control-Request-Headers", "")
                headers["Access-Control-Allow-Headers"] = wanted or "Content-Type"
        return headers

    async def _polled(
        self, request: web.BaseRequest, visitor: Visitor, headers: CIMultiDict[str]
    ) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        if origin is not None and origin not in self._origins:
            raise Wrong("origin", "foreign_origin")
        if request.method == "OPTIONS":
            return web.Response(status=HTTPStatus.NO_CONTENT, headers=headers)
        at = asked(request.raw_path)
        if at.over != "polling":
            raise Wrong("request", "no_upgrade")
        if at.sid is None:
            return await self._handshake(request, visitor, headers)
        session = self._sessions.by_sid.get(at.sid)
        if session is None or not session.polls:
            raise Wrong("sid", "unknown_session")
        visitor.known()
        if request.method == "POST":
            body = await self._body(request)
            for text in body.split(SEPARATOR):
                session.arrived(text, "polling")
            return web.Response(text="ok", content_type="text/html", headers=headers)
        if request.method != "GET":
            raise Wrong("method")
        answer = await session.poll()
        if answer is None:
            raise Wrong("request")
        return _text(answer, headers)

    async def _handshake(
        self, request: web.BaseRequest, visitor: Visitor, headers: CIMultiDict[str]
    ) -> web.StreamResponse:
        if request.method != "GET":
            raise Wrong("method")
        session = visitor.session or visitor.arrive_again()
        await session.admitted
        if session.refused is not None:
            return _last(HTTPStatus.SERVICE_UNAVAILABLE, encode_json(session.refused), headers)
        visitor.session = None
        return _text(session.open("polling"), headers)

    async def _body(self, request: web.BaseRequest) -> bytes:
        """The packets of a request, which has to come in time and not to be too much.

        Raises:
            Wrong: it does not.
        """
        size = request.content_length
        if size is None or size > MESSAGE_MOST:
            raise Wrong("request", "too_big")
        try:
            async with asyncio.timeout(self._limits.started_packet / S):
                return await request.read()
        except TimeoutError:
            raise Wrong("request", "packet_timeout") from None


def _text(body: bytes, headers: CIMultiDict[str]) -> web.Response:
    return web.Response(body=body, content_type="text/plain", charset="utf-8", headers=headers)


def _last(status: HTTPStatus, body: bytes, headers: CIMultiDict[str]) -> web.Response:
    """An answer behind which the connection is closed."""
    response = web.Response(status=status, body=body, content_type="application/json", headers=headers)
    response.force_close()
    return response
