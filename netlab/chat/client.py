"""The client's machine: operations and their outcomes, resume after a cut, pacing, and what has been seen in each room.

Pure, and the same over every transport. A shell connects when asked to (`Dial`), hands in what comes, and carries out
what goes. Every operation ends once, in a `Done`: `ok`, `failed` (surely not done) or `unknown`.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from typing import Literal

import msgspec

from netlab.chat import messages as m
from netlab.chat.bucket import Allowance
from netlab.chat.client_events import (
    Ask,
    Changed,
    Connected,
    CookieArrived,
    Dial,
    Disconnected,
    Done,
    Event,
    Hangup,
    Happened,
    Leave,
    Outcome,
    Output,
    Received,
    Reply,
    Start,
    TimerFired,
    Transmit,
)
from netlab.chat.limits import EMIT_WAIT, ENVELOPE, HELLO_EVERY, HELLO_FOR, RESUME_WINDOW, WINDOW
from netlab.chat.names import canonical
from netlab.chat.room_view import RoomView
from netlab.errors import MessageTooBig
from netlab.packets.limits import MAX_MESSAGE
from netlab.units import MS, Ns, S

REDIAL_FIRST: Ns = 250 * MS
REDIAL_MOST: Ns = 5 * S
"""Pause before the first attempt to connect again, and the longest; it doubles in between."""

PACE = 0.9
"""Share of the hub's rate that a client uses: clocks differ, and over udp something may come late or twice."""

NUMBER_AROUND = 64
"""Room for an operation's number in its JSON, bytes."""

UNNUMBERED = 4_096
"""Events heard without a number that are remembered, so that they are not shown again when they come with one."""

LASTING = frozenset({"bad_name", "name_taken", "bad_token", "hello_first", "resumed_elsewhere", "server_closed"})
"""Goodbyes after which connecting again would not help."""


class _UnderWay:
    """An operation that was sent and has not ended."""

    __slots__ = ("answers_by", "data", "gives_up_at", "holds", "operation", "ref", "repeat_at")

    def __init__(self, ref: int | None, operation: m.Operation, data: bytes) -> None:
        self.ref = ref
        self.operation = operation
        self.data = data
        self.holds = False
        """Something of the hub's rate, since nobody knows whether it has come."""
        self.repeat_at: Ns | None = None
        self.gives_up_at: Ns | None = None
        self.answers_by: Ns | None = None
        """The hub has said ok; until then answers may come."""


class ChatClient:
    """One person's client.

    Args:
        name: what to be called; empty to only look.
        reliable: whether the transport neither loses nor doubles. Where it does, hello, join, leave and questions are
            repeated until they are answered, and what is said is sent once.
        token: what the server asks for, or empty.
        redial_for: how long after a cut connecting is tried again, ns; 0 = never.
    """

    def __init__(self, name: str, *, reliable: bool, token: str = "", redial_for: Ns = RESUME_WINDOW) -> None:
        self.name = name
        self.sid = ""
        self.rooms: dict[str, RoomView] = {}
        """What was seen in each room this client is in, and in its own."""
        self._left_at: dict[str, int] = {}  # the number of our leaving: what comes late from before it is no new join
        self.counters: Counter[str] = Counter()
        self.max_message = MAX_MESSAGE
        self.reliable = reliable
        self._token = token
        self._redial_for = redial_for
        self._state: Literal["new", "connecting", "hello", "open", "waiting", "ended"] = "new"
        self._secret = ""
        self._cookie = ""
        self._goodbye: m.Goodbye | None = None
        self._cut_at: Ns | None = None
        self._pause = REDIAL_FIRST
        self._timer: Ns | None = None  # of the state: next redial, or next hello
        self._hello_until: Ns | None = None
        self._pace_at: Ns | None = None
        self._messages: Allowance | None = None
        self._bytes: Allowance | None = None
        self._next_op = 0
        self._queue: deque[tuple[int | None, m.Operation]] = deque()
        self._again: deque[int] = deque()  # operations to send once more, after a cut
        self._under_way: OrderedDict[int, _UnderWay] = OrderedDict()
        self._out: list[Output] = []
        self._degraded = False
        self._unnumbered: OrderedDict[tuple[str, int], None] = OrderedDict()
        self._owed: list[m.Operation] = []
        """What we ask of ourselves when the broker is back: to join again after a restart, and to leave where nobody
        can tell whether we did."""

    @property
    def deadline(self) -> Ns | None:
        """When to call `handle(TimerFired(), now)`, absolute ns."""
        candidates = [self._timer, self._pace_at]
        if self._state == "open":
            for under_way in self._under_way.values():
                candidates += (under_way.repeat_at, under_way.gives_up_at, under_way.answers_by)
        return min((at for at in candidates if at is not None), default=None)

    @property
    def missing(self) -> int:
        """Numbers of rooms that others had and this client did not: lost so far, or late."""
        return sum(len(view.missing) for view in self.rooms.values())

    def handle(self, event: Event, now: Ns) -> list[Output]:
        """Take in one event; what is to be done about it comes back. Bytes from the hub never raise.

        Raises:
            MessageTooBig: the caller asked for more than the hub takes.
            UnicodeEncodeError, TypeError, ValueError: for what JSON can't say.
        """
        self._out = []
        if self._state == "ended" and not isinstance(event, Ask):
            return []
        match event:
            case Received(data):
                self._received(data, now)
            case Ask(ref, operation):
                self._ask(ref, operation, now)
            case Reply(answer) if self._state == "open":
                self._out.append(Transmit(m.encode_json(answer)))
            case Connected():
                self._state, self._cookie, self._goodbye = "hello", "", None
                self._hello_until = now + HELLO_FOR
                self._say_hello(now)
            case CookieArrived(cookie) if self._state == "hello":
                self._cookie = cookie
                self._say_hello(now)
            case Disconnected(detail):
                self._disconnected(detail, now)
            case TimerFired():
                self._time_passed(now)
            case Start():
                self._state = "connecting"
                self._out.append(Dial())
            case Leave():
                self._end("", "left", now)
        return self._out

    @property
    def idle(self) -> bool:
        """No operation is waiting or under way."""
        return not self._queue and not self._under_way

    # The connection

    def _say_hello(self, now: Ns) -> None:
        resume = None
        if self._secret:
            resume = m.Resume(self.sid, self._secret, {room: view.last for room, view in self.rooms.items()})
        hello = m.Hello(name=self.name, token=self._token, cookie=self._cookie, resume=resume)
        self._out.append(Transmit(m.encode_json(hello), hello=True))
        self._timer = self._hello_until if self.reliable else now + HELLO_EVERY

    def _welcome(self, welcome: m.Welcome, now: Ns) -> None:
        if self._state != "hello":
            return  # said twice, because the hello was
        restarted = bool(self._secret) and not welcome.resumed
        self._state, self._timer, self._hello_until, self._cut_at = "open", None, None, None
        self._pause = REDIAL_FIRST
        self.sid, self.name, self._secret = welcome.sid, welcome.name, welcome.secret
        self.max_message = welcome.max_message
        rate = welcome.rate
        if rate is not None and self._messages is None and min(rate.messages, rate.burst, rate.bytes) > 0:
            self._messages = Allowance(rate.messages * PACE, max(1, rate.burst * PACE), now)
            self._bytes = Allowance(rate.bytes * PACE, max(rate.bytes, self.max_message + ENVELOPE), now)
        if restarted:
            self._restart(now)
        else:
            self._out.append(Changed("resumed" if welcome.resumed else "open"))
            if welcome.resumed:
                self._agree_on_rooms(set(welcome.rooms))
        self._broker(degraded=welcome.degraded)
        if self.sid:
            self.rooms.setdefault(self.sid, RoomView(0, ""))
        # The hub tells what is done from what is not; what is said over best effort is said once.
        again = self._under_way.items()
        self._again = deque(op for op, its in again if self.reliable or not isinstance(its.operation, m.Emit))
        self._pump(now)

    def _broker(self, *, degraded: bool, detail: str = "") -> None:
        """How the server stands with its broker."""
        if degraded != self._degraded:
            self._degraded = degraded
            self._out.append(Changed("degraded" if degraded else "restored", "", detail))
        self._ask_what_is_owed()

    def _ask_what_is_owed(self) -> None:
        if self._degraded:
            return
        owed, self._owed = self._owed, []
        for operation in owed:
            if isinstance(operation, m.Leave) and self._joining(_spelled(operation.room)):
                self._owed.append(operation)  # it came before that join
            else:
                self._queue.appendleft((None, operation))

    def _restart(self, now: Ns) -> None:
        """The session is lost: a new one begins. Nobody can say what became of the emits that were under way."""
        self._out.append(Changed("restarted"))
        for owed in self._owed:
            if isinstance(owed, m.Leave):
                self.rooms.pop(_spelled(owed.room), None)
        self._owed = [owed for owed in self._owed if not isinstance(owed, m.Leave)]
        for op, under_way in list(self._under_way.items()):
            operation = under_way.operation
            if isinstance(operation, m.Emit):
                self._finish(op, Outcome("unknown", detail="the session was lost"), now)
            elif isinstance(operation, m.Leave):  # nobody is in any more
                self.rooms.pop(_spelled(operation.room), None)
                self._finish(op, Outcome("ok"), now)
            elif under_way.ref is None:  # a join of ours from the restart before
                self._has_come(self._under_way.pop(op), now)
                self._queue.appendleft((None, operation))
        for room, view in list(self.rooms.items()):
            del self.rooms[room]
            if view.epoch:
                self._queue.appendleft((None, m.Join(0, room, view.last, view.epoch)))

    def _agree_on_rooms(self, rooms: set[str]) -> None:
        """Be in the rooms that we were in: where a broker has lost what it had stored, the hub knows of others."""
        moves = [*(under_way.operation for under_way in self._under_way.values()), *self._owed]
        unsettled = {_spelled(move.room) for move in moves if isinstance(move, m.Join | m.Leave)}
        for room in sorted(self.rooms.keys() - rooms - unsettled - {self.sid}):
            view = self.rooms.pop(room)
            self._queue.appendleft((None, m.Join(0, room, view.last, view.epoch)))
        self._queue.extendleft((None, m.Leave(0, room)) for room in sorted(rooms - self.rooms.keys() - unsettled))

    def _disconnected(self, detail: str, now: Ns) -> None:
        if self._state in ("ended", "waiting"):
            return
        goodbye = self._goodbye
        ever_open = bool(self._secret) or bool(self.sid)
        if not ever_open or self._redial_for == 0 or (goodbye is not None and goodbye.code in LASTING):
            self._end(goodbye.code if goodbye else "", (goodbye.detail if goodbye else "") or detail, now)
            return
        if self._cut_at is None:
            self._cut_at = now
            self._out.append(Changed("reconnecting", goodbye.code if goodbye else "", detail))
        elif now - self._cut_at >= self._redial_for:
            self._end("", f"no way back to the server: {detail}", now)
            return
        self._state, self._timer, self._pace_at = "waiting", now + self._pause, None
        self._pause = min(2 * self._pause, REDIAL_MOST)

    def _end(self, code: str, detail: str, now: Ns) -> None:
        self._state, self._timer, self._pace_at = "ended", None, None
        for op in list(self._under_way):
            self._finish(op, Outcome("unknown", code=code, detail=detail), now)
        while self._queue:
            ref, _ = self._queue.popleft()
            if ref is not None:
                self._out.append(Done(ref, Outcome("failed", code=code, detail=f"not sent: {detail}")))
        self._out.append(Changed("ended", code, detail))

    # Operations

    def _ask(self, ref: int, operation: m.Operation, now: Ns) -> None:
        self._check(operation)
        if self._state == "ended":
            self._out.append(Done(ref, Outcome("failed", detail="not sent: the connection has ended")))
            return
        self._queue.append((ref, operation))
        self._pump(now)

    def _check(self, operation: m.Operation) -> None:
        """Raise now what could not be sent later."""
        size, rest = 0, operation
        if isinstance(operation, m.Emit):
            size = m.size_of(operation.args)
            rest = msgspec.structs.replace(operation, args=[])
        around = len(m.encode_json(rest))
        if size > self.max_message or around > ENVELOPE - NUMBER_AROUND:
            raise MessageTooBig(
                f"{size} B of arguments exceed the hub's limit of {self.max_message} B"
                if size > self.max_message
                else f"{around} B of names exceed the limit of {ENVELOPE - NUMBER_AROUND} B",
                rule="chat.limits.ChatLimits.message",
                code="too_big",
            )

    def _pump(self, now: Ns) -> None:
        """Send what the hub's rate and the window allow: first once more what a cut may have lost."""
        self._pace_at = None
        while self._state == "open":
            while self._again and self._again[0] not in self._under_way:
                self._again.popleft()
            if self._again:  # it holds its part of the rate still: the hub takes it once
                self._out.append(Transmit(self._under_way[self._again.popleft()].data))
                continue
            if not self._queue or len(self._under_way) >= WINDOW:
                return
            operation = msgspec.structs.replace(self._queue[0][1], op=self._next_op + 1)
            under_way = _UnderWay(self._queue[0][0], operation, m.encode_json(operation))
            if not self._may_send(under_way, now):
                return
            self._queue.popleft()
            self._next_op += 1
            self._under_way[self._next_op] = under_way
            if not self.reliable:
                best_effort = isinstance(operation, m.Emit)
                under_way.gives_up_at = now + (EMIT_WAIT if best_effort else HELLO_FOR)
                under_way.repeat_at = None if best_effort else now + HELLO_EVERY
            self._out.append(Transmit(under_way.data))

    def _may_send(self, under_way: _UnderWay, now: Ns) -> bool:
        """Whether the hub's rate has room for it, which it holds then; if not, when to look again."""
        if self._messages is None or self._bytes is None:
            return True
        waits = self._messages.until(1, now), self._bytes.until(len(under_way.data), now)
        if any(waits) or None in waits:
            self._pace_at = None if None in waits else now + max(wait for wait in waits if wait is not None)
            return False
        self._messages.hold(1)
        self._bytes.hold(len(under_way.data))
        under_way.holds = True
        return True

    def _has_come(self, under_way: _UnderWay, now: Ns) -> None:
        """The hub has it, or it never will: from now on what it holds of the rate comes back."""
        if under_way.holds and self._messages is not None and self._bytes is not None:
            under_way.holds = False
            self._messages.spend(1, now)
            self._bytes.spend(len(under_way.data), now)

    def _finish(self, op: int, outcome: Outcome, now: Ns) -> None:
        under_way = self._under_way.pop(op, None)
        if under_way is None:
            return
        self._has_come(under_way, now)
        if under_way.ref is not None:
            self._out.append(Done(under_way.ref, outcome))
        elif outcome.status != "ok" and isinstance(under_way.operation, m.Join):  # ours, after a restart: we are out
            self.rooms.pop(_spelled(under_way.operation.room), None)
            self.counters["rooms_lost"] += 1
            self._gap(m.Gap(under_way.operation.room, (under_way.operation.seen or 0) + 1, None))

    def _result(self, result: m.Result, now: Ns) -> None:
        under_way = self._under_way.get(result.op)
        if under_way is None:
            return
        operation, of_ours = under_way.operation, under_way.ref is None
        if result.code == "broker_gone" and (
            of_ours or (isinstance(operation, m.Leave) and result.status == "unknown")
        ):
            self._owed.append(operation)
            if of_ours:
                self._has_come(self._under_way.pop(result.op), now)
                self._ask_what_is_owed()
                return
        if isinstance(operation, m.Join) and result.status == "failed":
            view = self.rooms.get(_spelled(operation.room))
            if view is not None and view.left:
                del self.rooms[_spelled(operation.room)]
        if result.status == "ok" or (isinstance(operation, m.Leave) and result.code == "not_in_room"):
            self._note_done(operation, result)
            if isinstance(operation, m.Emit) and operation.answer_ms:
                under_way.answers_by = now + operation.answer_ms * MS + EMIT_WAIT
                under_way.repeat_at = under_way.gives_up_at = None
                self._has_come(under_way, now)
                self._pump(now)
                return
        # Of an operation of long ago the hub can't say that it was surely not done.
        status: Literal["ok", "failed", "unknown"] = "unknown" if result.code == "stale_operation" else result.status
        outcome = Outcome(status, result.rooms, result.code, result.detail, result.data)
        self._finish(result.op, outcome, now)
        self._ask_what_is_owed()
        self._pump(now)

    def _note_done(self, operation: m.Operation, result: m.Result) -> None:
        match operation:
            case m.Join():
                for room, number in result.rooms.items():
                    view = self.rooms.setdefault(room, RoomView(number, result.epoch))
                    view.epoch, view.left = result.epoch, False
                    view.begin(number + 1)
                    self._settle_leaves_before(operation.op, room)
            case m.Leave(room=room):
                room = _spelled(room)
                was_in = self.rooms.get(room)
                # Where nobody is left in the room it is no more, and our leaving has no number.
                self._left_at[room] = result.rooms.get(room, 0 if was_in is None else was_in.last)
                if room in self.rooms and self._joining(room):  # after a cut we may be in it again, and have heard so
                    self.rooms[room].left = True
                else:
                    self.rooms.pop(room, None)
            case m.Emit(skip_self=True):  # its number is ours, and will not come
                for room, number in result.rooms.items():
                    if room in self.rooms:
                        self.rooms[room].see(number)
            case _:
                pass

    def _settle_leaves_before(self, op: int, room: str) -> None:
        """A join is done: no leave from before it is owed. A hub without its broker knows not what became of that
        leave, so then the join is owed."""
        owed = [owed for owed in self._owed if not _is_leave_of(owed, room, before=op)]
        if self._degraded and len(owed) < len(self._owed):
            owed.append(m.Join(0, room))
        self._owed = owed

    # What the hub says

    def _received(self, data: bytes, now: Ns) -> None:
        try:
            message = m.decode_hub_message(data)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            self.counters["malformed"] += 1
            return
        match message:
            case m.Message() | m.Joined() | m.Left():
                self._room_event(message)
            case m.Result():
                self._result(message, now)
            case m.Welcome():
                self._welcome(message, now)
            case m.Gap():
                self._gap(message)
            case m.Degraded(detail):
                self._broker(degraded=True, detail=detail)
            case m.Restored():
                self._broker(degraded=False)
                self._pump(now)
            case m.Answers():
                self._finish(message.op, Outcome("ok", data=message), now)
                self._pump(now)
            case m.Goodbye():
                self._told(message, now)

    def _room_event(self, event: m.RoomEvent) -> None:
        own = isinstance(event, m.Joined) and event.sid == self.sid
        for room, number in event.rooms.items():
            mine = own and (self.reliable or number > self._left_at.get(room, 0))
            if (mine and self.reliable) or (room not in self.rooms and (mine or self._joining(room))):
                self.rooms[room] = RoomView(number - 1, "")  # the answer to our join is still to come
            if mine:
                self.rooms[room].begin(number)
        heard_before = False
        if isinstance(event, m.Message):
            if event.unnumbered:
                self._unnumbered[event.sid, event.op] = None
                if len(self._unnumbered) > UNNUMBERED:
                    self._unnumbered.popitem(last=False)
            else:
                heard_before = (event.sid, event.op) in self._unnumbered
        seen = [self.rooms[room].see(number) for room, number in event.rooms.items() if room in self.rooms]
        if heard_before or (seen and all(how == "again" for how in seen)):
            self.counters["duplicates"] += 1
            if self.reliable or heard_before:
                return  # sent again after a resume, or with its number now, and already here
        elif "late" in seen:
            self.counters["reordered"] += 1
        self.counters["events"] += 1
        self._out.append(Happened(event))

    def _joining(self, room: str) -> bool:
        operations = (under_way.operation for under_way in self._under_way.values())
        return any(isinstance(operation, m.Join) and _spelled(operation.room) == room for operation in operations)

    def _gap(self, gap: m.Gap) -> None:
        view = self.rooms.get(gap.room)
        if view is None and gap.last is not None and self._joining(gap.room):
            view = self.rooms[gap.room] = RoomView(gap.first - 1, "")
        if view is not None and gap.epoch:
            self.rooms[gap.room] = view = RoomView(gap.since, gap.epoch)
        elif view is not None and gap.last is not None:
            view.last = max(view.last, gap.last)
        self.counters["gaps"] += 1
        self._out.append(Happened(gap))

    def _told(self, goodbye: m.Goodbye, now: Ns) -> None:
        if goodbye.code == "malformed":
            self._out.append(Happened(goodbye))
            return
        self._goodbye = goodbye
        self._out.append(Hangup())
        self._disconnected(goodbye.detail or goodbye.code, now)

    # Time

    def _time_passed(self, now: Ns) -> None:
        if self._timer is not None and now >= self._timer:
            self._timer = None
            if self._state == "waiting":
                self._state = "connecting"
                self._out.append(Dial())
            elif self._state == "hello" and self._hello_until is not None and now >= self._hello_until:
                self._out.append(Hangup())
                self._disconnected(f"no answer within {HELLO_FOR // S} s", now)
            elif self._state == "hello":
                self._say_hello(now)
        if self._state == "open":
            self._operations_due(now)
            self._pump(now)

    def _operations_due(self, now: Ns) -> None:
        for op, under_way in list(self._under_way.items()):
            if under_way.gives_up_at is not None and now >= under_way.gives_up_at:
                self._finish(op, Outcome("unknown", detail="no answer in time"), now)
            elif under_way.answers_by is not None and now >= under_way.answers_by:
                self._finish(op, Outcome("unknown", detail="the answers did not come"), now)
            elif under_way.repeat_at is not None and now >= under_way.repeat_at:
                under_way.repeat_at = now + HELLO_EVERY
                self.counters["repeats"] += 1
                self._out.append(Transmit(under_way.data))


def _is_leave_of(operation: m.Operation, room: str, *, before: int) -> bool:
    """Whether it is a leave of that room, asked before an operation of that number."""
    return isinstance(operation, m.Leave) and _spelled(operation.room) == room and operation.op < before


def _spelled(room: str) -> str:
    """The room's name as the hub spells it."""
    return canonical(room) or room
