"""What the suite is run on: a transport, what it promises, and how to reach it.

The roles of an experiment are processes of their own, so a subject travels by name: `tcp`, `udp`, `rudp`, `ws`, `sio`,
or where in which file or module to find a `Subject`, such as `mylab.transports:quic` or
`tests/conformance/broken.py:swallowing`.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from netlab.chat import messages as m
from netlab.chat.client_events import Changed, Outcome
from netlab.chat.limits import ChatLimits
from netlab.errors import NetlabError
from netlab.transports import GUARANTEES, Guarantees, connect, serve


class UnknownSubject(NetlabError):
    """No transport goes by this name, or there is no `Subject` where the name says."""


class Client(Protocol):
    """What the suite needs of a client: `netlab.transports.Chat` is one."""

    counters: Counter[str]

    @property
    def missing(self) -> int:
        """Events that others had and this client did not."""

    async def emit(self, event: str, *args: Any, to: str | list[str], skip_self: bool = False) -> Outcome:
        """Send an event to a room."""

    async def join(self, room: str) -> None:
        """Become a member."""

    def events(self) -> AsyncIterator[m.RoomEvent | m.Gap | m.Goodbye | Changed]:
        """What happens, in order; ends with `Changed("ended")`."""


class Server(Protocol):
    """What the suite needs of a server."""

    counters: Counter[str]
    url: str


class Connect(Protocol):
    """As `netlab.connect`."""

    def __call__(self, url: str, *, name: str, reconnect: bool) -> AbstractAsyncContextManager[Client]:
        """Join the server at `url`."""


class Serve(Protocol):
    """As `netlab.serve`."""

    def __call__(self, url: str, *, limits: ChatLimits) -> AbstractAsyncContextManager[Server]:
        """Host a hub at `url`."""


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """A transport under test.

    Attributes:
        name: what the table calls it.
        scheme: of its URLs.
        link: what it runs over, which decides how the network is broken: a `stream` is cut, stalled and torn into
            single bytes, `datagram`s are lost, doubled, reordered and damaged.
        guarantees: what it promises.
        form: what carries a message, and bears its checksum.
        resumes: a session survives a cut: within the resume window nothing is lost, beyond it the gap is told.
    """

    name: str
    scheme: str
    link: Literal["stream", "datagram"]
    guarantees: Guarantees
    resumes: bool
    form: Literal["packet", "event"] = "packet"
    connect: Connect = connect
    serve: Callable[..., AbstractAsyncContextManager[Server]] = serve

    @property
    def kind(self) -> Literal["stream", "datagram", "reliable datagram"]:
        """Which experiments it is put through: sessions that survive a cut need what nobody offers over best effort."""
        return "reliable datagram" if self.link == "datagram" and self.resumes else self.link


SUBJECTS = {
    "tcp": Subject(name="tcp", scheme="tcp", link="stream", guarantees=GUARANTEES["tcp"], resumes=True),
    "ws": Subject(name="ws", scheme="ws", link="stream", guarantees=GUARANTEES["ws"], resumes=True),
    "sio": Subject(name="sio", scheme="sio", link="stream", guarantees=GUARANTEES["sio"], resumes=True, form="event"),
    "rudp": Subject(name="rudp", scheme="rudp", link="datagram", guarantees=GUARANTEES["rudp"], resumes=True),
    "udp": Subject(name="udp", scheme="udp", link="datagram", guarantees=GUARANTEES["udp"], resumes=False),
}


def load_subject(spec: str) -> Subject:
    """The subject that `spec` names: one of `SUBJECTS`, `module:attribute` or `path/to/file.py:attribute`. The
    attribute may also be a function without arguments that makes one.

    Raises:
        UnknownSubject: it names none; the message says why.
    """
    if spec in SUBJECTS:
        return SUBJECTS[spec]
    where, _, attribute = spec.rpartition(":")
    if not where:
        raise UnknownSubject(f"{spec!r} is not one of {', '.join(SUBJECTS)}, nor module:attribute")
    try:
        found = getattr(_import(where), attribute)
    except (ImportError, AttributeError, OSError) as error:
        raise UnknownSubject(f"no subject at {spec!r}: {error}") from None
    subject = found() if callable(found) else found
    if not isinstance(subject, Subject):
        raise UnknownSubject(f"{spec!r} is a {type(subject).__name__}, not a netlab.conformance.Subject")
    return subject


def absolute_spec(spec: str) -> str:
    """The same subject, named so that a process started elsewhere finds it."""
    where, _, attribute = spec.rpartition(":")
    return f"{Path(where).resolve()}:{attribute}" if where.endswith(".py") else spec


def _import(where: str) -> Any:
    if not where.endswith(".py"):
        return importlib.import_module(where)
    path = Path(where).resolve()
    name = f"netlab_subject_{path.stem}"
    if name in sys.modules:
        return sys.modules[name]
    found = importlib.util.spec_from_file_location(name, path)
    if found is None or found.loader is None:
        raise ImportError(f"{where} is not a Python file")
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    try:
        found.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
