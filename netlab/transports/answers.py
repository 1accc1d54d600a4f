"""What a hub's answers to questions have to look like: they are only the server's word."""

from __future__ import annotations

from typing import Any, TypedDict, TypeVar

import msgspec

from netlab.errors import RemoteProtocolError

ROWS_MOST = 20_000
"""Rows of an answer that comes in pages: more than any hub's default limits give."""

_T = TypeVar("_T")


class Member(TypedDict):
    """A member of a room; `here` is false while one is cut off."""

    name: str
    sid: str
    here: bool


class Room(TypedDict):
    """A room, and how many are in it."""

    room: str
    members: int


class Found(TypedDict):
    """Whom a name belongs to."""

    sid: str


def shaped(data: Any, shape: type[_T]) -> _T:
    """The data of an answer as what it has to be.

    Raises:
        RemoteProtocolError: it is not.
    """
    try:
        return msgspec.convert(data, shape)
    except msgspec.ValidationError as error:
        raise _senseless(str(error)) from None


class Pages:
    """An answer that comes in pages.

    Attributes:
        rows: of the pages so far.
        after: where the next page begins, to be asked for: behind this name. None where there is none.
    """

    def __init__(self, key: str, order: str, row: type[Any]) -> None:
        """
        Args:
            key: what the rows are called in the answer.
            order: the name in each row by which they are in order.
            row: what each has to be.
        """
        self.rows: list[Any] = []
        self.after: str | None = ""
        self._key, self._order, self._row = key, order, row

    def add(self, data: Any) -> None:
        """Take in the page that was asked for.

        Raises:
            RemoteProtocolError: it is none, or the pages do not come to an end.
        """
        told = shaped(data, dict[str, Any])
        page: list[Any] = shaped(told.get(self._key), list[self._row])  # type: ignore[name-defined]
        self.rows += page
        if told.get("more") is not True:
            self.after = None
            return
        if not page or page[-1][self._order] <= self.after or len(self.rows) > ROWS_MOST:
            raise _senseless(f"its pages of {self._key} do not come to an end")
        self.after = page[-1][self._order]


def _senseless(detail: str) -> RemoteProtocolError:
    return RemoteProtocolError(
        f"the server's answer makes no sense: {detail}", rule="chat.messages.Result.data", code="malformed"
    )
