"""Bad input of every row of LIMITS.md against a running server, over TCP, UDP, rudp, WebSocket and Socket.IO.

Each gets its named error or its counted drop, read as `netlab stats` shows it; and all the while two people in another
room go on talking, one on each transport's sure side, and lose nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeAlias

import pytest

import netlab
from netlab.chat import messages as m
from netlab.chat.limits import ERRORS, ChatLimits
from netlab.packets.limits import MAX_MESSAGE, ReassemblyLimits
from netlab.packets.packet import Packet, PacketType, encode
from netlab.protocols.connection import WIRE_MESSAGE
from netlab.units import KIB, MS

from .arena import Server, live, masked, person, raw, server


@asynccontextmanager
async def bystanders(at: Server) -> AsyncIterator[None]:
    """Two people talk from before to after; each message is answered before the next, and none is lost."""
    async with person(at.tcp, "one", "corner") as one, person(at.tcp, "two", "corner") as two:
        over = asyncio.Event()

        async def talk() -> int:
            said = 0
            while not over.is_set() or said < 5:
                for speaker in (one, two):
                    assert (await speaker.chat.emit("say", said, to="corner")).status == "ok"
                    said += 1
                    await one.hears(said)
                    await two.hears(said)
            return said

        talking = asyncio.create_task(talk())
        yield
        over.set()
        said = await talking
        assert one.texts == two.texts == list(range(said))
        for somebody in (one, two):
            assert somebody.chat.missing == 0
            assert not somebody.gaps
            assert somebody.statuses == []
            strangers = {e.name for e in somebody.events if not isinstance(e, m.Goodbye)} - {"one", "two"}
            assert not strangers, "nothing of another room"


Bad: TypeAlias = Callable[[Any], Awaitable[None]]


def says(*messages: m.ClientMessage | bytes) -> Bad:
    async def do(peer: Any) -> None:
        for message in messages:
            peer.say(message)

    return do


def sends(*data: bytes) -> Bad:
    """Bytes as they are: over UDP with the session's token in their first packet, where they are packets."""

    async def do(peer: Any) -> None:
        for one in data:
            peer.send(one)

    return do


def fragments(*packets: Packet) -> Bad:
    async def do(peer: Any) -> None:
        for packet in packets:
            if hasattr(peer, "send_packet"):
                peer.send_packet(packet)
            else:
                peer.send(encode(packet))

    return do


def damaged(at: int, value: int) -> bytes:
    """A good packet with one byte changed."""
    packet = bytearray(encode(Packet(b'{"type":"rooms","op":1}', 5)))
    packet[at] ^= value
    return bytes(packet)


def emit(op: int = 1, *args: Any, event: str = "e", **options: Any) -> m.Emit:
    return m.Emit(op, event, ["bad"], list(args), **options)


BRACKETS = b'{"type":"emit","op":1,"event":"e","to":["bad"],"args":' + b"[" * 200_000
NESTED: list[Any] = []
for _ in range(40):
    NESTED = [NESTED]

SMALL = ChatLimits()
JOIN = m.Join(100, "bad")
ROWS: list[tuple[str, ChatLimits, Bad, str, str]] = [
    # what, the hub's limits, the bad input, its error over tcp, its error or counter over udp
    ("a message too big", SMALL, says(JOIN, emit(101, "x" * (MAX_MESSAGE + 1))), "too_big", "too_big"),
    ("over the operator's limit", ChatLimits(message=99), says(JOIN, emit(101, "x" * 100)), "too_big", "too_big"),
    ("an event's name", SMALL, says(JOIN, emit(101, event="e" * 600)), "too_big", "too_big"),
    ("arguments too deep", SMALL, says(JOIN, emit(101, NESTED)), "too_deep", "too_deep"),
    ("200,000 brackets", SMALL, says(BRACKETS), "malformed", "malformed"),
    ("a lone surrogate", SMALL, says(b'{"type":"join","op":1,"room":"\\ud800"}'), "malformed", "malformed"),
    ("no JSON", SMALL, says(b"\xff{"), "malformed", "malformed"),
    ("no message", SMALL, says(b'{"type":"dance"}'), "malformed", "malformed"),
    ("too fast", ChatLimits(message_burst=20), says(*(m.Rooms(n) for n in range(1, 40))), "rate_limited",
     "rate_limited"),
    ("too many bytes", ChatLimits(byte_rate=9_000, message=9_000),
     says(JOIN, *(emit(100 + n, "x" * 4_000) for n in range(1, 9))), "rate_limited", "rate_limited"),
    ("too many rooms of one", ChatLimits(rooms_per_client=2), says(*(m.Join(n, f"r{n}") for n in range(1, 5))),
     "too_many_rooms", "too_many_rooms"),
    ("too many rooms of all", ChatLimits(rooms=2), says(*(m.Join(n, f"r{n}") for n in range(1, 5))), "too_many_rooms",
     "too_many_rooms"),
    ("a full room", ChatLimits(members=2), says(m.Join(1, "corner")), "room_full", "room_full"),
    ("a room's name", SMALL, says(m.Join(1, "a\x1b[31m")), "bad_name", "bad_name"),
    ("a name too long", SMALL, says(m.Join(1, "\u4e2d" * 30)), "bad_name", "bad_name"),
    ("a room it is not in", SMALL, says(m.Emit(1, "e", ["corner"], ["intruder"])), "not_in_room", "not_in_room"),
    ("a sid", SMALL, says(m.Join(1, "A" * 22), m.Emit(2, "e", ["B" * 22])), "not_in_room", "not_in_room"),
    ("nobody", SMALL, says(m.Find(1, "one")), "no_such_name", "no_such_name"),
    ("no room", SMALL, says(m.Emit(1, "e", [])), "no_recipient", "no_recipient"),
    ("too many questions", ChatLimits(answers_per_client=1),
     says(JOIN, emit(101, answer_ms=9_000), emit(102, answer_ms=9_000)), "too_many_answers", "too_many_answers"),
    ("no netlab at all", SMALL, sends(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "malformed", "malformed_magic"),
]  # fmt: skip

PACKETS: list[tuple[str, ChatLimits, Bad, str, str]] = [
    ("a wrong CRC", SMALL, sends(damaged(-1, 1)), "malformed", "malformed_crc"),
    ("a wrong length", SMALL, sends(damaged(5, 0xFF) + bytes(600)), "malformed", "malformed_crc"),
    ("another version", SMALL, sends(damaged(2, 0x20)), "malformed", "malformed_version"),
    ("an unknown type", SMALL, sends(damaged(2, 0x0F)), "malformed", "malformed_type"),
    ("too many fragments", SMALL, fragments(Packet(bytes(1000), 9, 0, 257)), "malformed", "too_many_fragments"),
    ("tiny fragments", SMALL, fragments(Packet(bytes(100), 9, 0, 3)), "malformed", "tiny_fragment"),
    ("a fragment in two versions", SMALL, fragments(Packet(b"x" * 600, 9, 0, 3), Packet(b"y" * 600, 9, 0, 3)),
     "malformed", "conflicting_fragment"),
    ("a message over the wire's limit", SMALL,
     fragments(*(Packet(bytes(1100), 9, n, 250) for n in range(WIRE_MESSAGE // 1100 + 1))), "too_big",
     "oversized_message"),
    ("many unfinished messages", SMALL, fragments(*(Packet(bytes(600), n, 0, 2) for n in range(17))),
     "too_much_unfinished", "peer_messages"),
    ("much unfinished", SMALL, fragments(*(Packet(bytes(1150), n, i, 99) for n in range(6) for i in range(98))),
     "too_much_unfinished", "peer_memory"),
    ("packets of no use here", SMALL, fragments(Packet(b"x", 1, type=PacketType.COOKIE)), "unexpected_type",
     "unexpected_type"),
]  # fmt: skip


CASES = [(row, scheme) for row in ROWS for scheme in ("tcp", "udp", "rudp", "ws", "sio")]
CASES += [(row, scheme) for row in PACKETS for scheme in ("tcp", "udp", "rudp", "ws")]  # sio has none


@pytest.mark.parametrize(
    ("limits", "bad", "tcp", "udp", "scheme"),
    [(*row[1:], scheme) for row, scheme in CASES],
    ids=[f"{row[0]}-{scheme}" for row, scheme in CASES],
)
@live()
async def test_after_hello(limits: ChatLimits, bad: Bad, tcp: str, udp: str, scheme: str) -> None:
    counter = udp if scheme == "udp" else tcp  # over rudp as over any stream
    async with server(limits) as at, bystanders(at), raw(scheme, at) as peer:
        assert (await peer.hello("bad")).name == "bad"
        await bad(peer)
        named = counter in ERRORS and (scheme != "udp" or tcp == udp)
        if named and counter != "unexpected_type":
            while True:  # the one who passed the limit is told, by name
                told = await peer.hear()
                assert told is not None, "the connection ended without a word"
                if getattr(told, "code", "") == counter:
                    break
        else:
            async with netlab.connect(at.tcp) as looking:  # what has no answer is counted
                while not at.count(counter):
                    await looking.stats()
        assert at.count(counter) >= 1


@pytest.mark.parametrize(
    ("hello", "code"),
    [
        (m.Hello(name="two words"), "bad_name"),
        (m.Hello(name="\u202eann"), "bad_name"),
        (m.Hello(name="one"), "name_taken"),
        (m.Hello(name="ann", resume=m.Resume("x", "y")), ""),
    ],
    ids=["bad name", "bidi override", "name taken", "resumes nothing"],
)
@pytest.mark.parametrize("scheme", ["tcp", "udp", "rudp", "ws", "sio"])
@live()
async def test_at_hello(hello: m.Hello, code: str, scheme: str) -> None:
    async with server() as at, bystanders(at), raw(scheme, at) as peer:
        told = await peer.hello(hello.name, resume=hello.resume)
        if code:
            assert told.code == code
            assert at.count(code) == 1
        else:
            assert (told.name, told.resumed) == ("ann", False)


@pytest.mark.parametrize("scheme", ["tcp", "udp", "rudp", "ws", "sio"])
@live()
async def test_a_wrong_token(scheme: str) -> None:
    async with server(token="right") as at:
        async with raw(scheme, at) as peer:
            assert (await peer.hello("bad", token="wrong")).code == "bad_token"
        assert at.count("bad_token") == 1


@pytest.mark.parametrize("scheme", ["tcp", "udp", "rudp", "ws", "sio"])
@live()
async def test_one_connection_too_many(scheme: str) -> None:
    async with server(ChatLimits(connections=2)) as at, bystanders(at), raw(scheme, at) as peer:
        if scheme != "udp":
            assert (await peer.hear()).code == "server_full"
        else:
            assert (await peer.hello("bad")).code == "server_full"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "hello_timeout"),
        (b"N", "hello_timeout"),
        (encode(Packet(m.encode_json(m.Hello(name="slow")), type=PacketType.HELLO))[:-1], "hello_timeout"),
        (encode(Packet(m.encode_json(m.Join(1, "corner")))), "hello_first"),
        (encode(Packet(b"{", type=PacketType.HELLO)), "malformed"),
        (bytes(100), "malformed"),
    ],
    ids=["nothing", "one byte", "all but one byte", "a join", "half a hello", "zeros"],
)
@pytest.mark.parametrize("scheme", ["tcp", "rudp", "ws", "sio"])
@live()
async def test_before_hello_over_a_stream(data: bytes, code: str, scheme: str) -> None:
    async with server(ChatLimits(hello_within=200 * MS)) as at, bystanders(at), raw(scheme, at) as peer:
        if scheme in ("ws", "sio") and code == "hello_timeout":  # a packet is never in pieces: its frame is
            peer.send_raw(masked(data)[:-1])
        elif scheme == "sio" and code == "hello_first":
            peer.say(m.Join(1, "corner"))
        else:
            peer.send(data)
        assert (await peer.hear()).code == code
        assert at.count(code) >= 1


@pytest.mark.parametrize(
    ("data", "counter"),
    [
        (bytes(100), "malformed_magic"),
        (b"N", "malformed_header"),
        (encode(Packet(bytes(40)))[:-1], "malformed_payload_length"),
        (encode(Packet(b"{}".ljust(30))), "no_session"),
        (encode(Packet(b"{}".ljust(30), session=b"12345678")), "unknown_session"),
        (encode(Packet(b"{", type=PacketType.HELLO)), "malformed_hello"),
        (encode(Packet(b'{"type":"join","op":1,"room":"corner"}', type=PacketType.HELLO)), "malformed_hello"),
        (encode(Packet(b'{"type":"hello"}', type=PacketType.HELLO)), "small_hello"),
        (encode(Packet(b'{"type":"hello","cookie":"guess"}', type=PacketType.HELLO)), "bad_cookie"),
        (encode(Packet(b"[" * 60_000, type=PacketType.HELLO)), "malformed_hello"),
        (encode(Packet(bytes(600), 9, 0, 2)), "no_session"),
    ],
    ids=["zeros", "one byte", "cut short", "no session", "unknown session", "half a hello", "a join", "small",
         "a guessed cookie", "brackets", "a fragment"],
)  # fmt: skip
@pytest.mark.parametrize("scheme", ["udp", "rudp"])
@live()
async def test_before_hello_over_datagrams(data: bytes, counter: str, scheme: str) -> None:
    async with server() as at, bystanders(at), raw("udp", at.url(scheme)) as peer, netlab.connect(at.tcp) as looking:
        peer.send(data)
        while not at.count(counter):
            await looking.stats()
        assert at.count("connections") == 3, "the bystanders' and the looker's: nothing was opened for it"


@pytest.mark.parametrize("scheme", ["tcp", "rudp", "ws", "sio"])
@live(60)
async def test_a_stalled_reader(scheme: str) -> None:
    limits = ChatLimits(backlog_soft=128 * KIB, backlog_hard=512 * KIB, message_rate=0)
    async with server(limits) as at, bystanders(at), raw(scheme, at) as stalled, person(at.tcp, "ann", "bad") as ann:
        await stalled.hello("bad")
        stalled.say(m.Join(1, "bad"))
        await ann.until(lambda: len(ann.events) == 2)
        stalled.writer.transport.pause_reading()
        for _ in range(200):
            await ann.chat.emit("say", "x" * 60_000, to="bad", skip_self=True)
        assert at.count("slow_consumer") == 1


@pytest.mark.parametrize("scheme", ["tcp", "rudp", "ws", "sio"])
@live(60)
async def test_silent_connections_up_to_the_brim(scheme: str) -> None:
    limits = ChatLimits(half_open=8, half_open_grace=20 * MS, hello_within=100 * MS)
    async with server(limits) as at, bystanders(at), AsyncExitStack() as stack:
        silent = [await stack.enter_async_context(raw(scheme, at)) for _ in range(60)]
        async with person(at.tcp, "ann", "bad") as ann:
            assert (await ann.chat.emit("say", "in", to="bad")).status == "ok"
        for peer in silent:
            assert (await peer.hear()).code == "hello_timeout"


@pytest.mark.parametrize("scheme", ["udp", "rudp"])
@live(60)
async def test_a_flood_of_datagrams_from_nowhere(scheme: str) -> None:
    """Hellos, unknown sessions, garbage: 3,000 of them, and nothing is kept."""
    async with server() as at, bystanders(at), raw("udp", at.url(scheme)) as peer:
        for n in range(1000):
            peer.send(bytes([n % 256]) * 30)
            peer.send(encode(Packet(bytes(40), n, session=n.to_bytes(8, "big"))))
            peer.hello_id = n
            peer.send_hello(m.Hello(name="x" * 20))
            if n % 20 == 0:
                async with netlab.connect(at.tcp) as looking:
                    await looking.stats()
        assert at.count("unknown_session") > 50, "the kernel drops what comes faster than it is read"
        assert b'"sessions":2,"connections":2' in at.shell.hub.report(1, {})


@live(60)
async def test_a_reassembly_that_is_never_finished() -> None:
    async with server(reassembly=ReassemblyLimits(timeout=100 * MS)) as at, bystanders(at), raw("udp", at) as peer:
        await peer.hello("bad")
        peer.send_packet(Packet(bytes(600), 1, 0, 2))
        async with netlab.connect(at.tcp) as looking:
            while not at.count("reassembly_timeout"):
                await looking.stats()
