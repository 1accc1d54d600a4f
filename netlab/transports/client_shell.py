"""The client's shell: one `ChatClient` machine, one timer, and whichever transport the URL names."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import inspect
import itertools
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from netlab.chat import messages as m
from netlab.chat.client import ChatClient
from netlab.chat.client_events import (
    Ask,
    Changed,
    Dial,
    Disconnected,
    Done,
    Event,
    Hangup,
    Happened,
    Leave,
    Outcome,
    Received,
    Reply,
    Start,
    TimerFired,
    Transmit,
)
from netlab.chat.limits import EMIT_WAIT
from netlab.errors import ConnectionEnded, DeadlineExpired, Refused
from netlab.transports import answers
from netlab.transports.alarm import Alarm, now_ns
from netlab.transports.client_end import Callbacks, ClientEnd
from netlab.transports.url import Address
from netlab.units import MS, Ns

DIAL_S = 10.0
"""How long making a connection may take, s."""

EVENTS_WAITING = 10_000
"""Events kept for a user who does not read `events()`; past it the oldest go, counted as `unread`."""


class Chat:
    """A chat as `connect` gives it: emit events to rooms, and hear those of others.

    Operations end `ok`, `failed` (surely not done) or `unknown`. `emit` returns that as an `Outcome`; the others
    return what was asked for, or raise.

    Attributes:
        counters: of this end: events, duplicates, reordered, gaps, packets in and out, whatever was dropped.
    """

    def __init__(
        self,
        address: Address,
        make_end: Callable[[Callbacks], ClientEnd],
        machine: ChatClient,
        *,
        entropy: Callable[[int], bytes],
        tls: ssl.SSLContext | None = None,
        elsewhere: Sequence[Address] = (),
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._address = address
        self._addresses = itertools.cycle([address, *elsewhere])
        self._make_end = make_end
        self._machine = machine
        self._tls = tls
        self.entropy = entropy
        self.counters = machine.counters
        self.status: str = "connecting"
        """`connecting`, `open`, `reconnecting`, `resumed`, `restarted`, `degraded`, `restored` or `ended`."""
        self._alarm = Alarm(self._loop, lambda: self.step(TimerFired()))
        self._end: _OneConnection | None = None
        self._dialling: asyncio.Task[None] | None = None
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._refs = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Outcome]] = {}
        self._handlers: dict[str, Callable[..., Any]] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self._events: deque[m.RoomEvent | m.Gap | m.Goodbye | Changed] = deque()
        self._event_came = asyncio.Event()
        self._ended: Changed | None = None

    # What it is

    @property
    def name(self) -> str:
        """What this client is called, in its one spelling."""
        return self._machine.name

    @property
    def sid(self) -> str:
        """This session's id, which is also the name of its own room. Whom it is told may send there."""
        return self._machine.sid

    @property
    def reliable(self) -> bool:
        """Whether the transport neither loses nor doubles."""
        return self._machine.reliable

    @property
    def rooms(self) -> list[str]:
        """The rooms this client is in, without its own."""
        return sorted(room for room in self._machine.rooms if room != self.sid)

    @property
    def max_message(self) -> int:
        """The largest event that the hub takes, bytes of its arguments as JSON."""
        return self._machine.max_message

    @property
    def missing(self) -> int:
        """Events that others in these rooms had and this client did not (yet)."""
        return self._machine.missing

    @property
    def figures(self) -> dict[str, int]:
        """What the transport's own sender has found out about its path, such as `srtt_us` and `cwnd`; empty over tcp,
        where the kernel does, and over udp, where nobody does."""
        return {} if self._end is None else self._end.end.figures

    # Events both ways

    def on(self, event: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Decorate a function, plain or async, that is called with the arguments of each such event.

        What it returns is the answer where one was asked for (a list is taken as several arguments). If it has an
        argument called `message`, that is the whole `Message`. An event whose arguments it can't take is counted and
        passed over; what it raises goes to the event loop's exception handler.
        """

        def register(handler: Callable[..., Any]) -> Callable[..., Any]:
            self._handlers[event] = handler
            return handler

        return register

    async def emit(self, event: str, *args: Any, to: str | list[str], skip_self: bool = False) -> Outcome:
        """Send an event to the members of one or several rooms: one copy to each member.

        Args:
            event: its name.
            args: anything JSON can say.
            to: rooms this client is in, or sids.
            skip_self: to all but this client.

        Raises:
            MessageTooBig: more than the hub takes; the connection lives on.
        """
        return await self.ask(m.Emit(0, event, _names(to), list(args), skip_self))

    async def call(self, event: str, *args: Any, to: str | list[str], timeout: Ns = 5_000 * MS) -> dict[str, list[Any]]:
        """Emit to others and wait for what their handlers answer.

        Args:
            timeout: how long the hub collects answers, ns.

        Returns:
            Answers by sid: of those who answered in time.

        Raises:
            Refused: the hub does not do it.
            DeadlineExpired: nobody answered.
            ConnectionEnded: it was not sent, or nobody knows whether it was done.
        """
        emit = m.Emit(0, event, _names(to), list(args), True, max(1, timeout // MS))
        outcome = await self._done(emit)
        collected: m.Answers = outcome.data
        if not collected.answers:
            raise DeadlineExpired("answer", timeout)
        return collected.answers

    async def events(self) -> AsyncIterator[m.RoomEvent | m.Gap | m.Goodbye | Changed]:
        """What happens, in order: messages, joins and leaves, gaps, and how the connection stands. Ends with
        `Changed("ended")`."""
        while True:
            while self._events:
                event = self._events.popleft()
                yield event
                if event is self._ended:
                    return
            if self._ended is not None:
                return
            self._event_came.clear()
            await self._event_came.wait()

    # Rooms

    async def join(self, room: str) -> None:
        """Become a member.

        Raises:
            Refused: `bad_name`, `too_many_rooms`, `room_full`, `no_such_room` or `rate_limited`.
            ConnectionEnded: it was not sent, or nobody knows whether it was done.
        """
        await self._done(m.Join(0, room))

    async def leave(self, room: str) -> None:
        """Stop being a member.

        Raises:
            Refused: `not_in_room` or `rate_limited`.
            ConnectionEnded: it was not sent, or nobody knows whether it was done.
        """
        await self._done(m.Leave(0, room))

    async def who(self, room: str) -> list[answers.Member]:
        """The members of a room this client is in: `name`, `sid`, and `here`, which is false while one is cut off."""
        return await self._pages("members", "name", answers.Member, lambda after: m.Who(0, room, after))

    async def list_rooms(self) -> list[answers.Room]:
        """The rooms of the hub: `room` and its number of `members`."""
        return await self._pages("rooms", "room", answers.Room, lambda after: m.Rooms(0, after))

    async def find(self, name: str) -> str:
        """The sid of somebody who shares a room with this client.

        Raises:
            Refused: `no_such_name`.
        """
        return answers.shaped((await self._done(m.Find(0, name))).data, answers.Found)["sid"]

    async def stats(self) -> dict[str, Any]:
        """The counters of the running server."""
        return answers.shaped((await self._done(m.Stats(0))).data, dict[str, Any])

    async def _pages(self, key: str, order: str, row: type[Any], ask: Callable[[str], m.Operation]) -> list[Any]:
        pages = answers.Pages(key, order, row)
        while pages.after is not None:
            pages.add((await self._done(ask(pages.after))).data)
        return pages.rows

    # Operations

    async def ask(self, operation: m.Operation) -> Outcome:
        """Have an operation done; its number is given on the way."""
        ref = next(self._refs)
        future: asyncio.Future[Outcome] = self._loop.create_future()
        self._waiting[ref] = future
        try:
            self.step(Ask(ref, operation))
            return await future
        finally:
            self._waiting.pop(ref, None)

    async def _done(self, operation: m.Operation) -> Outcome:
        outcome = await self.ask(operation)
        if outcome.status == "failed" and not outcome.code:
            raise ConnectionEnded(outcome.detail, clean=True)
        if outcome.status == "failed":
            raise Refused(outcome.code, outcome.detail)
        if outcome.status == "unknown":
            raise ConnectionEnded(f"nobody knows whether it was done: {outcome.detail}", clean=False)
        return outcome

    # The shell: carry out what the machine asks, and arm its timer

    def step(self, event: Event) -> None:
        """Hand the machine an event and carry out what it asks."""
        for output in self._machine.handle(event, now_ns(self._loop)):
            match output:
                case Transmit(data, hello):
                    if self._end is not None:
                        self._end.end.say(data, hello=hello)
                case Done(ref, outcome):
                    if (future := self._waiting.get(ref)) is not None and not future.done():
                        future.set_result(outcome)
                case Happened(happened):
                    self._happened(happened)
                case Dial():
                    self._dialling = self._loop.create_task(self._dial())
                case Hangup():
                    self._hang_up(said=False)
                case Changed():
                    self._changed(output)
        self._alarm.set(self._machine.deadline)

    async def _dial(self) -> None:
        self._address = next(self._addresses)
        self._end = connection = _OneConnection(self)
        connection.end = self._make_end(connection)
        try:
            async with asyncio.timeout(DIAL_S):
                await connection.end.connect(self._address, self._tls)
        except (OSError, TimeoutError, ValueError) as error:  # a ValueError: a host's name that can't be one
            if self._end is connection:
                self._end = None
                self.step(Disconnected(_reason(error, self._address)))

    def _hang_up(self, *, said: bool) -> None:
        if self._end is not None:
            self._end.end.hang_up(said=said)
            self._end = None

    def _changed(self, changed: Changed) -> None:
        self.status = changed.status
        if changed.status == "ended":
            self._ended = changed
            opened = self._opened.done() and not self._opened.cancelled()
            self._hang_up(said=opened and changed.detail == "left")  # who was never in need not say goodbye
            if not self._opened.done():
                self._opened.set_exception(_never_opened(changed, self._address))
        elif not self._opened.done():
            self._opened.set_result(None)
        if changed.status != "open":
            self._put(changed)

    def _happened(self, event: m.RoomEvent | m.Gap | m.Goodbye) -> None:
        self._put(event)
        if isinstance(event, m.Message):
            handler = self._handlers.get(event.event)
            if handler is not None:
                task = self._loop.create_task(self._answer(handler, event))
                self._answering.add(task)
                task.add_done_callback(self._answering.discard)

    async def _answer(self, handler: Callable[..., Any], message: m.Message) -> None:
        signature = inspect.signature(handler)
        extra = {"message": message} if "message" in signature.parameters else {}
        try:
            signature.bind(*message.args, **extra)
        except TypeError:  # the sender's arguments are not the handler's
            self.counters["bad_arguments"] += 1
            return
        try:
            answer = handler(*message.args, **extra)
            if isinstance(answer, Awaitable):
                answer = await answer
            if message.ask:
                args = answer if isinstance(answer, list) else [] if answer is None else [answer]
                self.step(Reply(m.Answer(message.ask, args)))
        except Exception as error:  # a mistake of the handler's: told as asyncio tells one, and the chat goes on
            self.counters["handler_errors"] += 1
            about = f"the handler of {message.event!r} failed"
            self._loop.call_exception_handler({"message": about, "exception": error})

    def _put(self, event: m.RoomEvent | m.Gap | m.Goodbye | Changed) -> None:
        self._events.append(event)
        if len(self._events) > EVENTS_WAITING:
            self._events.popleft()
            self.counters["unread"] += 1
        self._event_came.set()

    async def open(self) -> None:
        """Connect and say hello. `connect` does this.

        Raises:
            Refused: the hub does not take this client: `name_taken`, `bad_token`, ...
            ConnectionEnded: nobody answers there.
        """
        self.step(Start())
        await self._opened

    async def close(self) -> None:
        """Leave in order: what was said is sent first."""
        connection = self._end
        self.step(Leave())
        if self._dialling is not None and not self._dialling.done():
            self._dialling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._dialling
        if connection is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EMIT_WAIT / 1e9):
                    await connection.gone.wait()
        for task in self._answering:
            task.cancel()


class _OneConnection:
    """The callbacks of one attempt to connect: what comes from an earlier one is not heard any more."""

    end: ClientEnd

    def __init__(self, chat: Chat) -> None:
        self._chat = chat
        self.counters = chat.counters
        self.entropy = chat.entropy
        self.gone = asyncio.Event()

    def step(self, event: Event) -> None:
        if self._chat._end is self:
            if isinstance(event, Disconnected):
                self._chat._end = None
            self._chat.step(event)

    def received(self, message: bytes) -> None:
        self.step(Received(message))

    def disconnected(self) -> None:
        self.gone.set()


def _names(to: str | list[str]) -> list[str]:
    return [to] if isinstance(to, str) else list(to)


def _reason(error: OSError | TimeoutError | ValueError, address: Address) -> str:
    if isinstance(error, ConnectionRefusedError):
        return f"nobody listens at {address}"
    if isinstance(error, socket.gaierror):
        return f"{address}: no host of that name is known: check the name, and that this machine is online"
    if isinstance(error, OSError) and error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return f"{address}: there is no way to it from here: check the address, and that this machine is online"
    if isinstance(error, ssl.SSLError):
        return f"no TLS with {address}: {getattr(error, 'verify_message', '') or error.reason or error}"
    if isinstance(error, TimeoutError) and not error.args:
        return f"{address} does not answer within {DIAL_S:g} s"
    if isinstance(error, ConnectionError) and address.encrypted and not error.args:  # as asyncio tells it
        return f"no TLS with {address}: it ends the connection"
    return f"{address}: {getattr(error, 'strerror', '') or error}"


def _never_opened(changed: Changed, address: Address) -> Exception:
    if changed.code:
        return Refused(changed.code, changed.detail)
    return ConnectionEnded(changed.detail or f"{address} does not answer", clean=False)
