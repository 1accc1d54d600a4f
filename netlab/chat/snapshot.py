"""What a hub knows at one position of the log, as bytes: for those who begin there, or were away for too long."""

from __future__ import annotations

import msgspec

from netlab.chat.membership import Membership
from netlab.chat.presence import Presence
from netlab.chat.rooms import Room
from netlab.chat.sessions import Session
from netlab.chat.standing import Standing
from netlab.chat.store import Loaded
from netlab.units import Ns


class _Person(msgspec.Struct, frozen=True):
    sid: str
    name: str
    digest: str
    home: str
    here: bool
    reliable: bool
    last_op: int
    rooms: dict[str, int]


class _RoomState(msgspec.Struct, frozen=True):
    name: str
    birth: int
    last: int
    own: bool


class _State(msgspec.Struct, frozen=True):
    heard: int
    size: int
    servers: list[str]
    people: list[_Person]
    rooms: list[_RoomState]


EMPTY = msgspec.json.encode(_State(0, 0, [], [], []))
"""What is known before a log begins."""

_decode = msgspec.json.Decoder(_State).decode


def snapshot(standing: Standing, presence: Presence, membership: Membership) -> bytes:
    """Everything that the log has told until now, but for what was said."""
    people = [
        _Person(s.sid, s.name, s.digest, s.home, s.here, s.reliable, s.last_op, s.rooms)
        for s in presence.sessions.values()
    ]
    rooms = [_RoomState(room.name, room.birth, room.last, room.own) for room in membership.rooms.values()]
    return msgspec.json.encode(_State(standing.heard, standing.size, list(standing.servers), people, rooms))


def restore(loaded: Loaded, standing: Standing, presence: Presence, membership: Membership, window_ends: Ns) -> bool:
    """Know what the snapshot says, and nothing else. People on this server keep their connections where it knows their
    sessions, and are told what they missed; who is not in it, or in other rooms, must come anew.

    Args:
        window_ends: until when those may resume who are cut.

    Returns:
        Whether it is a snapshot; if not, nothing is changed.
    """
    try:
        state = _decode(loaded.snapshot)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    rooms = {r.name: Room(r.name, loaded.epoch, r.birth, last=r.last, own=r.own) for r in state.rooms}
    if not all(rooms.keys() >= person.rooms.keys() for person in state.people):
        return False
    standing.epoch, standing.position = loaded.epoch, loaded.position
    standing.heard, standing.size = state.heard, state.size
    standing.servers.clear()
    standing.servers.update(dict.fromkeys(state.servers, 0))
    before = dict(presence.sessions)
    presence.sessions.clear()
    presence.names.clear()
    for person in state.people:
        session = before.pop(person.sid, None)
        if session is None:
            session = Session(person.sid, person.name, person.digest, person.home, reliable=person.reliable)
        elif session.rooms.keys() != person.rooms.keys():
            presence.give_up(session, "its rooms are not known any more")
        session.home, session.here = person.home, person.here
        session.last_op = max(session.last_op, person.last_op)
        session.rooms = dict(person.rooms)
        presence.sessions[session.sid] = presence.names[session.name] = session
        for name in person.rooms:
            rooms[name].members[session.sid] = session
        if session.conn is None and session.ended is None:
            presence.cut_off.setdefault(session.sid, window_ends)
    for session in before.values():
        presence.give_up(session, "it is not known any more")
        presence.cut_off.pop(session.sid, None)
    membership.replace(rooms.values())
    return True
