"""What a session may ask of the hub, and the answers to its questions. Nothing here changes anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from netlab.chat import messages as m
from netlab.chat.limits import ENVELOPE, ChatLimits
from netlab.chat.names import canonical
from netlab.chat.rooms import Room
from netlab.chat.sessions import Session

PAGE_BYTES = 900
"""Rows in one answer to `who` or `rooms`: what fits one datagram, so that a lossy link costs one datagram's luck."""

EVENT_LENGTH = 512
"""Characters of an event's name."""

NUMBER_DIGITS = 12
"""Bytes that the hub adds to each room of an event: its number."""

SENDER = 512
"""Bytes that the hub adds to an event of any size: who sent it, and when."""

SHOWN = 40
"""Characters of a peer's own text that are quoted back to it."""


class Refusal(Exception):
    """An operation or a hello that can't be done: the hub tells its sender. Never leaves the hub."""

    def __init__(self, code: str, detail: str) -> None:
        self.code = code
        self.detail = detail


def check_emit(session: Session, emit: m.Emit, rooms: Mapping[str, Room], limits: ChatLimits) -> tuple[str, ...]:
    """The rooms that the event goes to, each once.

    Raises:
        Refusal: `no_recipient`, `not_in_room`, `malformed`, `too_big`, `too_deep` or `too_many_answers`.
    """
    targets = tuple(dict.fromkeys(emit.to))
    if not targets or not emit.event:
        raise Refusal("no_recipient", "an event has a name and goes to at least one room")
    for name in targets:
        room = rooms.get(name)
        if name not in session.rooms and (room is None or not room.own):
            raise Refusal("not_in_room", f"join {name[:SHOWN]} before sending to it")
    size = checked_size(emit.args, limits)
    if size > limits.message:
        raise Refusal("too_big", f"{size} B is over the limit of {limits.message} B")
    around = len(m.encode_json(emit.event)) + len(m.encode_json(targets)) + NUMBER_DIGITS * len(targets)
    if len(emit.event) > EVENT_LENGTH or len(targets) > limits.rooms_per_client or around > ENVELOPE - SENDER:
        raise Refusal("too_big", "the event's name or its list of rooms is too long")
    if emit.answer_ms and session.asking >= limits.answers_per_client:
        raise Refusal("too_many_answers", f"at most {limits.answers_per_client} questions at once")
    return targets


def checked_size(args: list[Any], limits: ChatLimits) -> int:
    """Bytes of the arguments of an event or an answer, as the limit on messages counts them.

    Raises:
        Refusal: `malformed` or `too_deep`.
    """
    try:
        size = m.size_of(args)
    except (UnicodeEncodeError, RecursionError) as error:
        raise Refusal("malformed", str(error)[:200]) from None
    if m.depth_of(args) > limits.json_depth:
        raise Refusal("too_deep", f"arguments are nested more than {limits.json_depth} deep")
    return size


def check_join(
    session: Session,
    join: m.Join,
    rooms: Mapping[str, Room],
    public: int,
    expected: Mapping[str, int],
    limits: ChatLimits,
) -> str:
    """The one spelling of the room's name. Joining a room that one is in is allowed, and does nothing.

    Args:
        public: rooms of the hub that are not a session's own.
        expected: joins on their way through the log, by room.

    Raises:
        Refusal: `bad_name`, `no_such_room`, `too_many_rooms` or `room_full`.
    """
    name = canonical(join.room)
    if name is None:
        raise Refusal("bad_name", "a room's name is 1 to 32 letters, digits, _ . or -")
    if name in session.rooms:
        return name
    room = rooms.get(name)
    if room is not None and room.own:
        raise Refusal("no_such_room", "a session is alone in its own room")
    if len(session.rooms) > limits.rooms_per_client:  # its own room does not count
        raise Refusal("too_many_rooms", f"a client may be in {limits.rooms_per_client} rooms")
    if room is None and name not in expected and public + len(expected.keys() - rooms.keys()) >= limits.rooms:
        raise Refusal("too_many_rooms", f"the hub has its {limits.rooms} rooms")
    if (len(room.members) if room else 0) + expected.get(name, 0) >= limits.members:
        raise Refusal("room_full", f"{name} has its {limits.members} members")
    return name


def room_of(session: Session, asked: str) -> str:
    """The one spelling of the name of a room that the session is in.

    Raises:
        Refusal: `not_in_room`.
    """
    name = canonical(asked) or asked
    if name not in session.rooms:
        raise Refusal("not_in_room", f"you are not in {name[:SHOWN]}")
    return name


def page_of_members(room: Room, after: str) -> dict[str, Any]:
    """Who is in the room, by name, after that name: as many as fit a page."""
    members = sorted(room.members.values(), key=lambda session: session.name)
    rows = ({"name": s.name, "sid": s.sid, "here": s.here} for s in members if s.name > after)
    page, more = _page(rows)
    return {"members": page, "total": len(members), "more": more}


def page_of_rooms(rooms: Iterable[Room], after: str) -> dict[str, Any]:
    """The rooms that are not a session's own, by name, after that name: as many as fit a page."""
    public = sorted((room for room in rooms if not room.own), key=lambda room: room.name)
    page, more = _page({"room": room.name, "members": len(room.members)} for room in public if room.name > after)
    return {"rooms": page, "total": len(public), "more": more}


def find(session: Session, name: str, names: Mapping[str, Session]) -> dict[str, Any]:
    """The sid of somebody who shares a room with the session.

    Raises:
        Refusal: `no_such_name`.
    """
    found = names.get(canonical(name) or "")
    if found is None or not (session.rooms.keys() & found.rooms.keys()):
        raise Refusal("no_such_name", f"nobody called {name[:SHOWN]} shares a room with you")
    return {"sid": found.sid, "name": found.name}


def _page(rows: Iterable[dict[str, Any]]) -> tuple[list[dict[str, Any]], bool]:
    """The first rows, as many as fit a page; and whether there are more."""
    page: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        size += len(m.encode_json(row)) + 1
        if page and size > PAGE_BYTES:
            return page, True
        page.append(row)
    return page, False
