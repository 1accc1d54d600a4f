"""One JSON object a line, in ASCII: whatever a terminal might obey arrives as an escape."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from netlab.chat import messages as m
from netlab.chat.client_events import Changed
from netlab.cli.talk.forms import DEEPEST, TEXT_EVENT, Ended, Here, Shown, Written
from netlab.cli.talk.slash import SLASH
from netlab.transports.answers import Member, Room


class JsonForm:
    """Every object has a `type`; docs/chat-lines.md lists them."""

    def here(self, here: Here) -> list[Written]:
        return [written("status", status="open", **msgspec.to_builtins(here))]

    def happened(self, event: Shown, *, private: bool) -> list[Written]:
        if isinstance(event, m.Goodbye):
            return [written("status", status="misunderstood", code=event.code, detail=event.detail)]
        if not isinstance(event, m.Message):
            return [written(**msgspec.to_builtins(event))]
        args: list[Any] | None = event.args if m.depth_of(event.args) <= DEEPEST + 1 else None
        fields: dict[str, Any] = {
            "rooms": event.rooms,
            "unnumbered": event.unnumbered,
            "private": private,
            "name": event.name,
            "sid": event.sid,
            "time": event.time,
            "event": event.event,
            "args": args,
        }
        if event.event == TEXT_EVENT and len(event.args) == 1 and isinstance(event.args[0], str):
            fields["text"] = event.args[0]
        return [written("message", **fields)]

    def changed(self, changed: Changed) -> list[Written]:
        return [written("status", status=changed.status, code=changed.code, detail=changed.detail)]

    def ended(self, ended: Ended) -> list[Written]:
        fields: dict[str, Any] = {"line": ended.number, "status": ended.outcome.status, "rooms": ended.outcome.rooms}
        if ended.outcome.status != "ok":
            fields |= {"code": ended.outcome.code, "detail": ended.outcome.detail}
        return [written("outcome", **fields)]

    def members(self, number: int, room: str, members: list[Member]) -> list[Written]:
        return [written("who", line=number, room=room, members=members)]

    def rooms(self, number: int, rooms: list[Room], mine: list[str]) -> list[Written]:
        return [written("rooms", line=number, rooms=[{**row, "in": row["room"] in mine} for row in rooms])]

    def left(self, room: str, now: str | None) -> list[Written]:
        return []

    def stats(
        self, number: int, server: dict[str, Any], client: dict[str, int], link: dict[str, Any] | None
    ) -> list[Written]:
        through = {} if link is None else {"link": link}
        return [written("stats", line=number, server=server, client=dict(sorted(client.items())), **through)]

    def link(self, number: int, link: str) -> list[Written]:
        return [written("link", line=number, link=link)]

    def help(self, number: int) -> list[Written]:
        commands = [{"usage": usage.usage, "help": usage.help} for usage in SLASH.values()]
        return [written("help", line=number, commands=commands)]

    def missing(self, room: str, first: int, last: int) -> list[Written]:
        return [written("missing", room=room, **{"from": first, "to": last})]


def written(type: str, **fields: Any) -> Written:
    """One object as a line."""
    return Written([("", json.dumps({"type": type, **fields}, ensure_ascii=True))])
