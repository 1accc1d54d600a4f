r"""The head of an HTTP/1.1 message: a start line, header fields, an empty line.

    GET /chat HTTP/1.1\r\n          method, target, version           HTTP/1.1 101 Switching Protocols\r\n
    Host: 127.0.0.1:8765\r\n        field name, colon, value          Upgrade: websocket\r\n
    Upgrade: websocket\r\n                                            Connection: Upgrade\r\n
    \r\n                                                              \r\n

Behind it stands the content, as long as its fields say. An answer of 101 ends HTTP on its connection: what follows is
what the request's Upgrade asked for (RFC 9110 §7.8).

Source: RFC 9112 §2.1 and §3 to §6.
"""

from __future__ import annotations

import re

import msgspec

from netlab.errors import DecodeError

_RULE = "RFC 9112 §2.1"
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # RFC 9110 §5.6.2
_REQUEST = re.compile(rb"(" + _TOKEN + rb") (\S+) (HTTP/\d\.\d)")
_STATUS = re.compile(rb"(HTTP/\d\.\d) (\d{3})(?: (.*))?", re.DOTALL)
_FIELD = re.compile(rb"(" + _TOKEN + rb"):[ \t]*(.*?)[ \t]*", re.DOTALL)
_BEGINS = re.compile(rb"(?:HTTP/1\.[01] \d{3}|(?:GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH) \S)")

HEAD_END = b"\r\n\r\n"
"""The end of the last line before the empty one, and this."""

SWITCHING_PROTOCOLS = 101
MOST_HEAD = 65_536
"""Bytes of a head that is looked for the end of."""


class Line(msgspec.Struct, frozen=True):
    """One line of a head: bytes [start, end) of the message, its CRLF included.

    Attributes:
        name: of the field, as it stands there; of the start line "".
        value: of the field; of the start line, all of it. Latin-1, as the bytes stand there: escape it.
    """

    name: str
    value: str
    start: int
    end: int


class Head(msgspec.Struct, frozen=True):
    """A request's or an answer's head.

    Attributes:
        method, target: of a request, else "".
        status, reason: of an answer, else 0 and "".
        version: such as `HTTP/1.1`.
        lines: the start line, the fields, and the empty line.
    """

    method: str
    target: str
    status: int
    reason: str
    version: str
    lines: tuple[Line, ...]

    def field(self, name: str) -> str:
        """The value of a field, of several of its name together (RFC 9110 §5.3); "" where there is none."""
        wanted = name.lower()
        return ", ".join(line.value for line in self.lines[1:-1] if line.name.lower() == wanted)

    @property
    def upgrade(self) -> str:
        """The protocol that an Upgrade names, in small letters, such as `websocket`; "" where there is none."""
        named = self.field("Upgrade").lower()
        return named if "upgrade" in self.field("Connection").lower() else ""

    def query(self, key: str) -> str:
        """The value of a key in the target's query, as it stands there; "" where it has none.

        >>> decode_head(b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\\r\\n\\r\\n")[0].query("EIO")
        '4'
        """
        pairs = (pair.partition("=") for pair in self.target.partition("?")[2].split("&"))
        return next((value for name, _, value in pairs if name == key), "")

    def content_length(self, method: str = "") -> int | None:
        """Bytes of content behind this head; None where they are chunked, or go on until the connection ends.

        Args:
            method: of an answer, that of its request.
        """
        # RFC 9112 §6.3: 1. HEAD, 1xx, 204 and 304 have none; 4. chunked; 6. as Content-Length says; 7. and 8.
        if self.status and (method == "HEAD" or self.status < 200 or self.status in (204, 304)):
            return 0
        if self.field("Transfer-Encoding"):
            return None
        length = self.field("Content-Length")
        if length.isascii() and length.isdigit() and len(length) < 19:
            return int(length)
        return None if self.status else 0


def begins_like_http(data: bytes) -> bool:
    """Whether a head may stand here: a known method, or the version of an answer."""
    return _BEGINS.match(data) is not None


def decode_head(data: bytes) -> tuple[Head, int]:
    """The head that `data` begins with, and the offset just behind its empty line.

    Raises:
        DecodeError: cut short, or a line that is none; `field` and `offset` say where.
    """
    end = data.find(HEAD_END, 0, MOST_HEAD)
    if end < 0:
        raise DecodeError("no empty line ends the head", rule=_RULE, field="head", offset=len(data))
    texts = data[: end + 2].split(b"\r\n")[:-1]
    request, status = _REQUEST.fullmatch(texts[0]), _STATUS.fullmatch(texts[0])
    if request is None and status is None:
        raise DecodeError("neither a request line nor a status line", rule=_RULE, field="start line", offset=0)
    lines = [Line("", texts[0].decode("latin-1"), 0, len(texts[0]) + 2)]
    for text in texts[1:]:
        at = lines[-1].end
        if (matched := _FIELD.fullmatch(text)) is None:
            # also a line that is folded, which a sender must not make (RFC 9112 §5.2)
            raise DecodeError("a line that is no field", rule="RFC 9112 §5", field="field line", offset=at)
        lines.append(Line(matched[1].decode(), matched[2].decode("latin-1"), at, at + len(text) + 2))
    lines.append(Line("", "", end + 2, end + 4))
    if request is not None:
        method, target, version = (part.decode("latin-1") for part in request.groups())
        return Head(method, target, 0, "", version, tuple(lines)), end + 4
    assert status is not None
    reason = (status[3] or b"").decode("latin-1")
    return Head("", "", int(status[2]), reason, status[1].decode(), tuple(lines)), end + 4
