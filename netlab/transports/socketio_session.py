"""One session of Socket.IO, as the hub has it: what comes from a client, what waits for it, and how it ends."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from typing import TYPE_CHECKING

import msgspec

from netlab.chat import messages as m
from netlab.chat.hub_events import Backlogged, Relieved
from netlab.chat.tokens import TOKEN_BYTES, base64url
from netlab.errors import DecodeError
from netlab.protocols import engineio, socketio
from netlab.protocols.connection import Failed, PeerLeft, TimerFired
from netlab.protocols.engineio import Answer, Carrier, Deliver, EngineSession, Say, Texts, Upgraded
from netlab.protocols.socketio import MESSAGE_MOST
from netlab.transports.alarm import Alarm, now_ns
from netlab.transports.byte_stream import LINGER_S
from netlab.transports.hub_shell import SERVER_CLOSED, Batch, HubShell

if TYPE_CHECKING:
    from netlab.transports.engineio_visitors import Visitor

COMES_BACK = frozenset({"server_closed", "slow_consumer", "packet_timeout", "dead_peer", "hello_timeout"})
"""After these a client of Socket.IO is cut, and connects again by itself; after any other it is told to stay away."""


ACKS_MOST = 1024
"""Operations of one client that wait for their acks, where the hub's rooms answer late."""


class Sessions:
    """The sessions of a server.

    Attributes:
        by_sid: by the sid of Engine.IO, which is known only to its client.
    """

    def __init__(self, shell: HubShell) -> None:
        self.shell = shell
        self.limits = shell.hub.limits
        self.counters: Counter[str] = Counter()
        self.by_sid: dict[str, SocketIoSession] = {}


class SocketIoSession:
    """One client, from the moment it is at the door: what the hub has as a port.

    It is carried by a `Visitor` that speaks WebSocket, or, while it polls, by whichever brings its requests.
    """

    def __init__(self, sessions: Sessions, visitor: Visitor) -> None:
        self._sessions, self._shell, self._counters = sessions, sessions.shell, sessions.counters
        self._limits = sessions.limits
        self._loop = asyncio.get_running_loop()
        self.conn = sessions.shell.new_conn()
        self.refused: m.Goodbye | None = None
        """It is not let in, for this reason."""
        self.admitted: asyncio.Future[None] = self._loop.create_future()
        self.sid = ""
        self._visitor: Visitor | None = visitor
        self._tried: Visitor | None = None
        """A WebSocket beside the polling, until one of them is over."""
        self._engine: EngineSession | None = None
        self._alarm = Alarm(self._loop, lambda: self._step(TimerFired()))
        self._poll: asyncio.Future[bytes] | None = None
        self._waiting: deque[Texts] = deque()
        self._waiting_bytes = 0
        self._backlogged = False
        self._over = False
        self._connected = False
        self._greeting = False
        """Its connecting was a hello: the hub's answer to that is the answer to both."""
        self._checked = False
        self._hello_ack: int | None = None
        self._acks: dict[int, tuple[int, bool]] = {}  # op -> the ack that is wanted, and whether for the answers
        self._last_op = 0

    # At the door

    def arrive(self) -> None:
        """Somebody is at the door: the hub says when, and whether, it may come in."""
        self._counters["connections"] += 1
        self._shell.open(self.conn, self, reliable=True)

    def admit(self) -> None:
        if not self.admitted.done():
            self.admitted.set_result(None)
        if self._visitor is not None:
            self._visitor.admit()

    def leave_door(self) -> None:
        """It was no new client, but one that is in already, over another connection."""
        self._counters["connections"] -= 1
        self._over = True
        self._shell.closed(self.conn, said=False)

    def open(self, over: Carrier) -> bytes:
        """The session begins; the packet that says so."""
        limits = self._limits
        self.sid = base64url(self._shell.entropy(TOKEN_BYTES))
        self._sessions.by_sid[self.sid] = self
        self._engine = EngineSession(
            over,
            now_ns(self._loop),
            ping_interval=limits.ping_after,
            ping_timeout=limits.dead_after - limits.ping_after,
        )
        self._alarm.set(self._engine.deadline)
        if over == "polling":
            self._visitor = None
        return engineio.open_packet(self._engine.told(self.sid, MESSAGE_MOST))

    # What comes

    def arrived(self, text: bytes, over: Carrier) -> None:
        """A packet of Engine.IO came."""
        self._counters["packets_in"] += 1
        self._step(engineio.Arrived(text, over))

    def _step(self, event: engineio.Event) -> None:
        assert self._engine is not None
        for output in self._engine.handle(event, now_ns(self._loop)):
            match output:
                case Deliver(message):
                    self._message(message)
                case Say(text):
                    self._put(Texts([text]))
                case Answer(text):
                    if self._tried is not None:
                        self._tried.write(Texts([text]).frames())
                    self._answer_poll(engineio.NOOP)
                case Upgraded():
                    self._visitor, self._tried = self._tried, None
                    self._answer_poll(engineio.NOOP)
                    self.relieve()
                case PeerLeft():  # a client that was cut while it polled says this too, and comes back
                    self._leave(said=False)
                case Failed(code, detail):
                    self.failed(code, detail)
        self._alarm.set(self._engine.deadline)

    def _message(self, message: bytes) -> None:
        try:
            packet = socketio.decode(message)
        except DecodeError as error:
            self.failed("malformed", f"{error.field}: {error}")
            return
        match packet:
            case socketio.Connect(namespace, auth):
                self._connect(namespace, auth)
            case socketio.Disconnect():
                self._leave(said=True)
            case socketio.Event() if self._connected:
                self._event(packet)
            case socketio.Acked(ack, args) if self._connected:
                self._shell.received(self.conn, m.encode_json(m.Answer(ack, args)))
            case _:
                self.failed("malformed", "connect to the namespace / first")

    def _connect(self, namespace: str, auth: bytes) -> None:
        if namespace != "/" or self._connected or self._greeting:
            wrong = m.Goodbye("malformed", "there is no namespace but /, and it is connected to once")
            self._say(socketio.not_connected(wrong, namespace))
            return
        try:
            hello = socketio.hello_of(auth)
        except DecodeError as error:
            self._counters["malformed"] += 1
            self._say(socketio.not_connected(m.Goodbye("malformed", str(error))))
            return
        if hello is None:
            self._connected = True
            self._say(socketio.connected(self._public_sid()))
        else:
            self._greeting = True
            self._shell.received(self.conn, m.encode_json(hello))

    def _public_sid(self) -> str:
        """What Socket.IO calls the connection: not Engine.IO's, which opens it to whoever knows it."""
        return base64url(self._shell.entropy(TOKEN_BYTES))

    def _event(self, event: socketio.Event) -> None:
        if event.checked or self._checked:
            if not event.checked:
                self.failed("malformed", "crc: an event without its checksum")
                return
            self._checked = True
            self._shell.received(self.conn, event.args[0] if event.args else b"")
            return
        self._last_op = max(self._last_op + 1, self._shell.wall_clock() // 1000)
        try:
            message = socketio.message_of(event, self._last_op)
            data = m.encode_json(message)
        except (DecodeError, UnicodeEncodeError) as error:
            self._mistaken(event.ack, str(error))
            return
        if event.ack is not None:
            if isinstance(message, m.Hello):
                self._hello_ack = event.ack
            elif not isinstance(message, m.Answer):
                self._acks[message.op] = (event.ack, isinstance(message, m.Emit) and message.answer_ms > 0)
                if len(self._acks) > ACKS_MOST:  # its result comes as an event then
                    del self._acks[next(iter(self._acks))]
        self._shell.received(self.conn, data)

    def _mistaken(self, ack: int | None, detail: str) -> None:
        """What came was an event, and no message: whoever wrote it may mend it."""
        self._counters["malformed"] += 1
        if ack is None:
            self._say(socketio.event(m.encode_json(m.Goodbye("malformed", detail))))
        else:
            told = {"status": "failed", "code": "malformed", "detail": detail}
            self._say(socketio.ack(ack, msgspec.json.encode(told)))

    # What goes

    def send(self, batches: list[Batch]) -> None:
        if self._acks or self._greeting or self._hello_ack is not None:
            said = [self._own(batch) if len(batch.recipients) == 1 else batch.events() for batch in batches]
        else:
            said = [batch.events() for batch in batches]
        self._put(*said)

    def _own(self, batch: Batch) -> Texts:
        """What is said to this client alone: some of it is what an ack waits for."""
        return Texts([text for _, data in batch.messages for text in self._answers(data)])

    def _answers(self, data: bytes) -> list[bytes]:
        told = m.decode_hub_message(data)
        if isinstance(told, m.Welcome):
            texts = [socketio.connected(self._public_sid())] if self._greeting else []
            if self._hello_ack is not None:
                texts.append(socketio.ack(self._hello_ack, data))
            self._connected, self._greeting, self._hello_ack = True, False, None
            return [*texts, socketio.event(data)]
        if isinstance(told, m.Result | m.Answers) and told.op in self._acks:
            number, for_answers = self._acks[told.op]
            if for_answers and isinstance(told, m.Result) and told.status == "ok":
                return [socketio.event(data)]
            del self._acks[told.op]
            return [socketio.ack(number, data)]
        return [socketio.event(data)]

    def _say(self, text: bytes) -> None:
        self._put(Texts([text]))

    def _put(self, *said: Texts) -> None:
        """Send, or keep: what waits is shared with all who are sent the same, and not copied for each who is slow."""
        if self._over:
            return
        for texts in said:
            self._counters["packets_out"] += len(texts.texts)
            self._counters["bytes_out"] += texts.size
        carrier = self._visitor
        if carrier is not None and not carrier.paused:
            carrier.write(said[0].frames() if len(said) == 1 else b"".join([texts.frames() for texts in said]))
            return
        self._waiting.extend(said)
        self._waiting_bytes += sum([texts.size for texts in said])
        if self._poll is not None and not self._poll.done():
            self._answer_poll_with_all()
        elif self._waiting_bytes > self._limits.backlog_hard:
            self._counters["slow_consumer"] += 1
            self._abort()
        elif self._waiting_bytes > self._limits.backlog_soft and not self._backlogged:
            self._backlogged = True
            self._shell.step(Backlogged(self.conn))

    def relieve(self) -> None:
        """The WebSocket takes more."""
        while self._waiting and self._visitor is not None and not self._visitor.paused:
            texts = self._waiting.popleft()
            self._waiting_bytes -= texts.size
            self._visitor.write(texts.frames())
        self._maybe_relieved()

    def _take(self) -> bytes:
        """All that waits, as the answer to a poll."""
        body = engineio.body(self._waiting)
        self._forget_waiting()
        self._maybe_relieved()
        return body

    def _maybe_relieved(self) -> None:
        if self._backlogged and self._waiting_bytes <= self._limits.backlog_soft:
            self._backlogged = False
            self._shell.step(Relieved(self.conn))

    def _forget_waiting(self) -> None:
        self._waiting.clear()
        self._waiting_bytes = 0

    # Polling, and the WebSocket that is tried beside it

    @property
    def polls(self) -> bool:
        """Whether its requests are to be taken."""
        return self._engine is not None and self._engine.over == "polling"

    async def poll(self) -> bytes | None:
        """What is said next; None for a second poll beside one that waits, which ends the session."""
        if self._poll is not None:
            self.failed("malformed", "two polls at once")
            return None
        if self._waiting:
            return self._take()
        if self._over or (self._engine is not None and self._engine.probing):
            return engineio.CLOSE if self._over else engineio.NOOP
        self._poll = self._loop.create_future()
        try:
            return await self._poll
        except asyncio.CancelledError:
            self.lost(None)  # who asked is gone, and what it was told with it
            raise
        finally:
            self._poll = None

    def _answer_poll(self, body: bytes) -> None:
        if self._poll is not None and not self._poll.done():
            self._poll.set_result(body)

    def _answer_poll_with_all(self) -> None:
        if self._poll is not None and not self._poll.done():
            self._poll.set_result(self._take())

    def try_websocket(self, visitor: Visitor) -> bool:
        """A WebSocket for this session; False where it has one."""
        if not self.polls or self._tried is not None or self._over:
            return False
        self._tried = visitor
        return True

    def carried_by(self, visitor: Visitor) -> bool:
        """Whether this one carries it, and is not only tried."""
        return visitor is self._visitor

    # The end

    def failed(self, code: str, detail: str) -> None:
        """The session is of no use any more: the peer is told why."""
        self._counters[code] += 1
        self._shell.closed(self.conn, said=False)
        self.close(m.Goodbye(code, detail))

    def server_closes(self) -> None:
        self._shell.closed(self.conn, said=True)
        self.close(SERVER_CLOSED)

    def close(self, reason: m.Goodbye) -> None:
        if self._engine is None:
            self._refuse(reason)
            return
        if self._over:
            return
        if self._greeting:
            last = [socketio.not_connected(reason)]
        else:
            last = [socketio.event(m.encode_json(reason))] if self._connected else []
            last += [] if reason.code in COMES_BACK else [socketio.DISCONNECT]
        if self._backlogged:
            self._forget_waiting()
        self._counters["packets_out"] += len(last)
        if self._visitor is not None:
            self._waiting.append(Texts(last))
            self._visitor.say_last(b"".join([texts.frames() for texts in self._waiting]), reason)
        else:
            self._waiting.append(Texts([*last, engineio.CLOSE]))
            self._answer_poll_with_all()
        self._finish()

    def _refuse(self, reason: m.Goodbye) -> None:
        """At the door."""
        self._over = True
        self.refused = reason
        if not self.admitted.done():
            self.admitted.set_result(None)
        if self._visitor is not None:
            self._visitor.refuse(reason)

    def _leave(self, *, said: bool) -> None:
        """The client closes its session of Engine.IO; `said` tells whether it said goodbye."""
        self._shell.closed(self.conn, said=said)
        if self._visitor is not None:
            self._visitor.close()
        self._waiting.append(Texts([engineio.CLOSE]))
        self._answer_poll_with_all()
        self._finish()

    def _abort(self) -> None:
        self._forget_waiting()
        self._shell.closed(self.conn, said=False)
        if self._visitor is not None:
            self._visitor.abort()
        self._finish()

    def lost(self, visitor: Visitor | None) -> None:
        """A connection is gone: the one that carried the session, one that was tried beside it, or the poll's."""
        if visitor is not None and visitor is self._tried:
            self._tried = None
            assert self._engine is not None
            self._engine.probe_lost()
            return
        self._shell.closed(self.conn, said=False)
        self._forget_waiting()
        self._finish()

    def _finish(self) -> None:
        if self._over:
            return
        self._over = True
        self._alarm.set(None)
        self._acks.clear()
        if self._tried is not None:
            self._tried.close()
        if self._visitor is not None or not self._waiting:
            self._forget()
        else:  # who polls is told with the next poll, if that comes soon
            self._loop.call_later(LINGER_S, self._forget)

    def _forget(self) -> None:
        self._sessions.by_sid.pop(self.sid, None)
        self._forget_waiting()
