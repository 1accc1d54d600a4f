"""What the address of a request to a Socket.IO server asks for, and what is said to one that makes no sense."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

import msgspec

from netlab.protocols.socketio import PATH

ERRORS = {
    "transport": (0, "Transport unknown"),
    "sid": (1, "Session ID unknown"),
    "method": (2, "Bad handshake method"),
    "request": (3, "Bad request"),
    "origin": (4, "Forbidden"),
    "version": (5, "Unsupported protocol version"),
}
"""What Engine.IO says to a request that it can't take: `code` and `message` of a JSON object."""


class Wrong(Exception):
    """A request that is not taken: the name of one of `ERRORS`, and a counter of it."""

    def __init__(self, error: str, counter: str = "bad_request") -> None:
        super().__init__(error)
        self.counter = counter
        code, message = ERRORS[error]
        self.status = HTTPStatus.FORBIDDEN if error == "origin" else HTTPStatus.BAD_REQUEST
        self.body = msgspec.json.encode({"code": code, "message": message})


class Asked(msgspec.Struct, frozen=True):
    """What the address of a request asks for.

    Attributes:
        sid: of a session that is there; None for a new one.
    """

    over: str
    sid: str | None


def asked(target: str) -> Asked:
    """Read the address of a request.

    Raises:
        Wrong: it is not one of Engine.IO's.
    """
    parts = urlsplit(target)
    if parts.path.rstrip("/") != PATH.rstrip("/"):
        raise Wrong("request")
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if query.get("EIO") != "4":
        raise Wrong("version")
    over = query.get("transport", "")
    if over not in ("polling", "websocket"):
        raise Wrong("transport")
    return Asked(over, query.get("sid"))
