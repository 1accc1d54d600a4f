"""The line on which a program in a testbed asks what the link has done so far, and changes it.

It is a stream, one message in JSON a line, because a link that replays a measured one has a long configuration. The
testbed tells its number in the environment.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable
from typing import TypeAlias

import msgspec

from netlab.errors import NetlabError
from netlab.network.link import Account
from netlab.network.link_config import LinkConfig

VARIABLE = "NETLAB_LINK_LINE"

_CHUNK = 65_536
_PATIENCE_S = 10.0


class Change(msgspec.Struct, frozen=True, tag="change"):
    """From now on the link is like this, both ways."""

    config: LinkConfig


class Look(msgspec.Struct, frozen=True, tag="look"):
    """Only tell."""


Asked: TypeAlias = Change | Look


class Told(msgspec.Struct, frozen=True):
    """The answer to both.

    Attributes:
        accounts: of each direction, so far.
        missed: frames lost beside the link so far, because the machine was too slow.
    """

    accounts: dict[str, Account]
    missed: int


class LinkLineCut(NetlabError):
    """The testbed does not answer: it is gone."""


class LinkLine:
    """The program's end. Belongs to one thread; an answer takes the testbed well under a millisecond."""

    def __init__(self, descriptor: int) -> None:
        self._line = socket.socket(fileno=descriptor)
        self._line.set_inheritable(False)
        self._line.settimeout(_PATIENCE_S)

    @classmethod
    def inherited(cls) -> LinkLine | None:
        """That of this process, once; None where it does not run in a testbed, or has no say about the link."""
        number = os.environ.pop(VARIABLE, "")
        return cls(int(number)) if number.isdecimal() else None

    def change(self, config: LinkConfig) -> Told:
        """Make the link like this, both ways.

        Raises:
            LinkLineCut: the testbed is gone.
        """
        return self._ask(Change(config))

    def look(self) -> Told:
        """What the link has done so far.

        Raises:
            LinkLineCut: the testbed is gone.
        """
        return self._ask(Look())

    def _ask(self, asked: Asked) -> Told:
        answer = b""
        try:
            self._line.sendall(msgspec.json.encode(asked) + b"\n")
            while not answer.endswith(b"\n"):
                if not (data := self._line.recv(_CHUNK)):
                    raise LinkLineCut("the testbed with the link is gone")
                answer += data
        except OSError as error:
            raise LinkLineCut(f"the testbed with the link does not answer: {error.strerror or error}") from None
        return msgspec.json.decode(answer, type=Told)


class Answering:
    """The testbed's end; `asked` does what is asked for, and says what is to be told."""

    def __init__(self, asked: Callable[[Asked], Told]) -> None:
        self.line, self.theirs = socket.socketpair()
        self.line.setblocking(False)
        self._asked = asked
        self._words = b""

    def readable(self) -> bool:
        """Take what has come; False at the end of the line."""
        try:
            data = self.line.recv(_CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        *lines, self._words = (self._words + data).split(b"\n")
        for line in lines:
            told = self._asked(msgspec.json.decode(line, type=Asked))
            with contextlib.suppress(OSError):  # who does not read the answer does without
                self.line.send(msgspec.json.encode(told) + b"\n")
        return bool(data)
