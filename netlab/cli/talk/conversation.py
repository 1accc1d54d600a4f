"""One person's chat: carries out what lines ask for, and has written what happens. Knows no terminal and no pipe."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable

from netlab.chat import messages as m
from netlab.chat.client_events import Changed, Outcome
from netlab.chat.names import canonical
from netlab.cli.chat_link import ChatLink
from netlab.cli.talk.forms import TEXT_EVENT, Ended, Form, Here, Written
from netlab.cli.talk.slash import Do, Say, Wrong, parse
from netlab.errors import ConnectionEnded, MessageTooBig, NetlabError, Refused, RemoteProtocolError
from netlab.network.link_config import BadLink
from netlab.network.link_options import NONE
from netlab.transports import Chat

MOST_UNDER_WAY = 128
"""Texts on their way at once: more is not read before some of these have ended."""

BYTES_UNDER_WAY = 2 * 1024 * 1024
"""And their bytes."""


class Conversation:
    """What is said through one `Chat`.

    Args:
        show: takes lines and shows them.
        link: what the chat goes through, if it does.

    Attributes:
        room: where a text goes; None where one is in no room.
        tally: how many operations ended `ok`, `failed` and `unknown`.
        names: of people seen in one's rooms.
        known_rooms: names of rooms seen.
    """

    def __init__(
        self, chat: Chat, form: Form, show: Callable[[list[Written]], None], link: ChatLink | None = None
    ) -> None:
        self.chat = chat
        self.form = form
        self.link = link
        self.room: str | None = None
        self.tally: Counter[str] = Counter()
        self.names: set[str] = set()
        self.known_rooms: set[str] = set()
        self._show = show
        self._texts: dict[asyncio.Task[None], int] = {}
        self._text_ended = asyncio.Event()
        self._last: dict[str, int] = {}  # per room, over a transport that loses

    # What happens

    async def enter(self, room: str, url: str) -> None:
        """Join the first room, and say where one is.

        Raises:
            Refused: the hub does not let one in.
        """
        await self._join(room)
        self._show(self.form.here(Here(url, self.chat.name, self.chat.sid, self.room or room)))

    async def look_round(self) -> None:
        """Say who is in the room already. Nothing is lost where that fails."""
        with contextlib.suppress(NetlabError):
            await self._who(0, [])

    async def listen(self) -> Changed:
        """Show what happens until the chat has ended; how it ended comes back."""
        ended = Changed("ended")
        async for event in self.chat.events():
            if isinstance(event, Changed):
                ended = event
                if event.status == "restarted":
                    self._last.clear()
                self._show(self.form.changed(event))
            else:
                self._show(self._noted(event))
        return ended

    def _noted(self, event: m.RoomEvent | m.Gap | m.Goodbye) -> list[Written]:
        private = isinstance(event, m.Message) and (self.chat.sid in event.rooms or self.chat.sid in event.unnumbered)
        written: list[Written] = []
        if isinstance(event, m.Message | m.Joined | m.Left):
            if isinstance(event, m.Left):
                self.names.discard(event.name)
            elif event.name != self.chat.name:
                self.names.add(event.name)
            if not private:
                self.known_rooms.update(event.rooms)
            if not self.chat.reliable:
                written += self._passed_by(event)
        return written + self.form.happened(event, private=private)

    def _passed_by(self, event: m.RoomEvent) -> list[Written]:
        """Over a transport that loses: numbers between the last one and this."""
        written: list[Written] = []
        for room, number in event.rooms.items():
            if room == self.chat.sid or room not in self.chat.rooms:
                continue
            last = self._last.get(room, number - 1)
            if number > last + 1:
                written += self.form.missing(room, last + 1, number - 1)
            self._last[room] = max(last, number)
        return written

    # What is asked for

    async def carry_out(self, number: int, line: str) -> bool:
        """Do what a line asks for; False for /quit. Texts go out in order, and are not waited for."""
        match parse(line):
            case Say(text):
                if self.room is None:
                    self._done(number, text, Outcome("failed", code="not_in_room", detail="/join a room first"))
                else:
                    await self._send(number, text, self.room)
            case Wrong(detail):
                self._done(number, line, Outcome("failed", code="bad_command", detail=detail))
            case Do("/quit"):
                return False
            case Do(command, words):
                await self._do(number, line, command, words)
        return True

    def unusable(self, number: int, code: str, detail: str) -> None:
        """A line that can't be taken."""
        self._done(number, "", Outcome("failed", code=code, detail=detail))

    async def drain(self) -> None:
        """Wait until every text has its outcome."""
        while self._texts:
            await asyncio.wait(self._texts)

    async def _do(self, number: int, line: str, command: str, words: list[str]) -> None:
        to = ""
        await asyncio.sleep(0)  # texts before this one are on their way then: tasks begin in the order they were made
        try:
            match command, words:
                case "/join", [room]:
                    await self._join(room)
                case "/leave", _:
                    await self._leave(words)
                case "/who", _:
                    await self._who(number, words)
                case "/rooms", _:
                    rooms = await self.chat.list_rooms()
                    self.known_rooms.update(row["room"] for row in rooms)
                    self._show(self.form.rooms(number, rooms, self.chat.rooms))
                case "/stats", _:
                    server = await self.chat.stats()
                    client = {**self.chat.counters, **self.chat.figures, "missing": self.chat.missing}
                    self._show(self.form.stats(number, server, client, self.link.data() if self.link else None))
                case "/link", _:
                    self._change_link(words)
                    self._show(self.form.link(number, self.link.text or NONE if self.link else NONE))
                case "/help", _:
                    self._show(self.form.help(number))
                case "/msg", [to, text]:
                    await self._send(number, text, await self.chat.find(to), name=to)
                    return
        except Refused as refused:
            outcome = Outcome("failed", code=refused.code, detail=refused.detail)
        except RemoteProtocolError as error:
            outcome = Outcome("failed", code=error.code, detail=str(error))
        except ConnectionEnded as ended:
            outcome = Outcome("unknown", detail=str(ended))
        else:
            outcome = Outcome("ok")
        self._done(number, line, outcome)

    def _change_link(self, words: list[str]) -> None:
        if self.link is None:
            raise Refused("no_link", 'this chat goes through no link: udp-chat --link "loss=5%" starts one that does')
        try:
            self.link.change(words)
        except BadLink as error:
            raise Refused("bad_link", str(error)) from None

    async def _who(self, number: int, words: list[str]) -> None:
        room = self._room_or_this(words)
        members = await self.chat.who(room)
        self.names.update(member["name"] for member in members if member["name"] != self.chat.name)
        self._show(self.form.members(number, room, members))

    async def _join(self, asked: str) -> None:
        await self.chat.join(asked)
        self.room = canonical(asked) or asked
        self.known_rooms.add(self.room)

    async def _leave(self, words: list[str]) -> None:
        room = self._room_or_this(words)
        await self.drain()  # what was said before is said in the room
        await self.chat.leave(room)
        self._last.pop(room, None)
        if room == self.room:
            self.room = next(iter(self.chat.rooms), None)
        self._show(self.form.left(room, self.room))

    def _room_or_this(self, words: list[str]) -> str:
        if words:
            return canonical(words[0]) or words[0]
        if self.room is None:
            raise Refused("not_in_room", "/join a room first")
        return self.room

    async def _send(self, number: int, text: str, to: str, *, name: str = "") -> None:
        while len(self._texts) >= MOST_UNDER_WAY or sum(self._texts.values()) > BYTES_UNDER_WAY:
            self._text_ended.clear()
            await self._text_ended.wait()
        task = asyncio.create_task(self._emit(number, text, to, name))
        self._texts[task] = len(text)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        del self._texts[task]
        self._text_ended.set()

    async def _emit(self, number: int, text: str, to: str, name: str) -> None:
        try:
            outcome = await self.chat.emit(TEXT_EVENT, text, to=to)
        except MessageTooBig as error:
            outcome = Outcome("failed", code=error.code, detail=str(error))
        except UnicodeEncodeError:
            outcome = Outcome("failed", code="malformed", detail="the text is not UTF-8")
        self._done(number, text, outcome, to=name)

    def _done(self, number: int, said: str, outcome: Outcome, *, to: str = "") -> None:
        self.tally[outcome.status] += 1
        self._show(self.form.ended(Ended(number, said, outcome, to)))


def summary(tally: Counter[str]) -> str:
    """A line about what did not end ok; empty where everything did.

    >>> summary(Counter(ok=7, unknown=2)), summary(Counter(ok=1))
    ('of 9 lines 2 are unknown: nobody can say whether they arrived', '')
    """
    parts = []
    if tally["failed"]:
        parts.append(f"{tally['failed']} failed")
    if tally["unknown"]:
        parts.append(f"{tally['unknown']} are unknown: nobody can say whether they arrived")
    return f"of {tally.total()} lines {', '.join(parts)}" if parts else ""
