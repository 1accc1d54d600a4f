"""WebSocket: the upgrade and who gets none, frames as RFC 6455 has them and as it has not, pings, and closing."""

from __future__ import annotations

import asyncio
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import connect as anybodys_connect
from websockets.exceptions import InvalidStatus
from websockets.frames import Opcode
from websockets.server import ServerProtocol

import netlab
from netlab.chat import messages as m
from netlab.chat.limits import ChatLimits
from netlab.errors import ConnectionEnded
from netlab.packets.packet import Packet, PacketType, decode, encode
from netlab.protocols.stream import PING
from netlab.protocols.websocket import FRAME_MOST, close_frame, frame, is_one_packet
from netlab.units import MS

from .arena import RawTcp, RawWs, Relay, live, masked, person, raw, server

HELLO = encode(Packet(m.encode_json(m.Hello(name="bob")), 1, type=PacketType.HELLO))
ROOMS = encode(Packet(m.encode_json(m.Rooms(7)), 2))


# Who is let in


@pytest.mark.parametrize(
    ("headers", "status", "counter"),
    [
        ({"Origin": "https://evil.example"}, 403, "foreign_origin"),
        ({"Origin": "null"}, 403, "foreign_origin"),
        ({"Origin": "https://chat.example.evil.example"}, 403, "foreign_origin"),
        ({"Origin": "https://chat.example"}, 101, ""),
        ({}, 101, ""),
    ],
    ids=["foreign", "a file's", "one that begins alike", "allowed", "no browser"],
)
@live()
async def test_the_page_that_connects(headers: dict[str, str], status: int, counter: str) -> None:
    async with netlab.serve("ws://127.0.0.1:0", origins=["https://chat.example/"]) as at:
        peer = await RawWs.connect(at.url, **headers)
        assert peer.response.status_code == status
        assert not counter or at.counters[counter] == 1
        await peer.close()


@live()
async def test_no_page_is_let_in_unless_named() -> None:
    async with server() as at:
        with pytest.raises(InvalidStatus, match="403"):
            await anybodys_connect(at.ws, origin="http://127.0.0.1:9080")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 426 "),
        (b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 405 "),
        (b"GET / HTTP/1.1\r\n" + b"X: " + b"x" * 10_000 + b"\r\n\r\n", b"HTTP/1.1 431 "),
        (bytes(40) + b"\r\n", b""),
    ],
    ids=["no upgrade", "a post", "a huge header", "no HTTP"],
)
@live()
async def test_what_is_no_upgrade(request_: bytes, answer: bytes) -> None:
    async with server() as at, person(at.ws, "ann", "tea") as ann:
        peer = await RawTcp.connect(at.ws)
        peer.send(request_)
        assert (await peer.reader.read()).startswith(answer)
        await peer.close()
        assert (await ann.chat.emit("say", "x", to="tea")).status == "ok"


@live()
async def test_an_upgrade_that_never_ends() -> None:
    async with server(ChatLimits(hello_within=100 * MS)) as at:
        peer = await RawTcp.connect(at.ws)
        peer.send(b"GET / HTTP/1.1\r\n")
        assert (await peer.reader.read()).startswith(b"HTTP/1.1 503 ")
        assert at.count("hello_timeout") == 1
        await peer.close()


@live()
async def test_a_port_that_speaks_something_else() -> None:
    async with server() as at:
        with pytest.raises(ConnectionEnded, match=r"^ws://127\.0\.0\.1:\d+: "):
            async with netlab.connect(at.tcp.replace("tcp", "ws"), name="ann", reconnect=False):
                pass


# Frames


@live()
async def test_anybodys_websocket_joins_speaks_and_hears() -> None:
    """As a page's own script would: one packet to a binary message, and nothing else of netlab's."""
    async with server() as at, person(at.tcp, "ann", "tea") as ann, anybodys_connect(at.ws) as bob:
        await bob.send(HELLO)
        welcome = m.decode_hub_message(decode(await bob.recv(decode=False)).payload)
        assert isinstance(welcome, m.Welcome)
        for op, said in enumerate((m.Join(1, "tea"), m.Emit(2, "say", ["tea"], ["from a browser"]))):
            await bob.send(encode(Packet(m.encode_json(said), op)))
        assert await ann.hears(1) == ["from a browser"]
        await ann.chat.emit("say", "welcome", to="tea")
        heard: list[Any] = []
        while not any(isinstance(one, m.Message) and one.args == ["welcome"] for one in heard):
            heard.append(m.decode_hub_message(decode(await bob.recv(decode=False)).payload))
        assert bob.response is not None
        assert "Sec-WebSocket-Extensions" not in bob.response.headers, "deflate is off"
    await_quit = [event.reason for event in ann.events if isinstance(event, m.Left)]
    assert await_quit in ([], ["quit"])


BAD: list[tuple[str, bytes, str, int]] = [
    ("text", masked(b"hi", Opcode.TEXT), "malformed", 1002),
    ("two packets", masked(ROOMS + ROOMS), "malformed", 1002),
    ("half a packet", masked(ROOMS[:-1]), "malformed", 1002),
    ("nothing", masked(b""), "malformed", 1002),
    ("no mask", frame(ROOMS), "malformed", 1002),
    ("a reserved bit", bytes((masked(ROOMS)[0] | 0x40,)) + masked(ROOMS)[1:], "malformed", 1002),
    ("a reserved opcode", bytes((0x83,)) + masked(ROOMS)[1:], "malformed", 1002),
    ("a pong that is a packet with one bit flipped", masked(ROOMS, Opcode.PONG), "malformed", 1002),
    ("a continuation of nothing", masked(ROOMS, Opcode.CONT), "malformed", 1002),
    ("too big", masked(bytes(FRAME_MOST + 1)), "too_big", 1009),
    ("fragments too big", masked(bytes(40_000), fin=False) + masked(bytes(40_000), Opcode.CONT), "too_big", 1009),
]


@pytest.mark.parametrize(("data", "code", "closed"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
@live()
async def test_bad_frames(data: bytes, code: str, closed: int) -> None:
    async with server() as at, person(at.ws, "ann", "tea") as ann, raw("ws", at) as peer:
        assert (await peer.hello("bad")).name == "bad"
        peer.send_raw(data)
        assert (await peer.hear()).code == code
        assert (await peer.event()).opcode is Opcode.CLOSE
        assert peer.http.close_rcvd.code == closed
        assert at.count(code) == 1
        assert (await ann.chat.emit("say", "x", to="tea")).status == "ok"


@given(st.lists(st.integers(1, 60), max_size=4), st.binary(max_size=80))
@live()
async def test_a_message_in_any_fragments_and_pieces(cuts: list[int], pings: bytes) -> None:
    """RFC 6455 section 5.4: a message may come in several frames, with control frames between them."""
    pieces, rest = [], ROOMS
    for cut in cuts:
        pieces.append(rest[:cut])
        rest = rest[cut:]
    pieces.append(rest)
    async with server() as at, raw("ws", at) as peer:
        await peer.hello("ann")
        for n, piece in enumerate(pieces):
            opcode = Opcode.CONT if n else Opcode.BINARY
            wire = masked(piece, opcode, fin=n == len(pieces) - 1) + masked(pings, Opcode.PING)
            peer.send_raw(wire[:5])
            peer.send_raw(wire[5:])
        assert (await peer.hear()).op == 7


@live()
async def test_a_frame_that_never_ends() -> None:
    async with server(ChatLimits(started_packet=100 * MS)) as at, raw("ws", at) as peer:
        await peer.hello("bad")
        peer.send_raw(masked(ROOMS)[:-1])
        assert (await peer.hear()).code == "packet_timeout"


# Pings and closing


@live()
async def test_pings_are_websockets_own() -> None:
    async with server(ChatLimits(ping_after=50 * MS)) as at, raw("ws", at) as peer:
        await peer.hello("ann")
        for _ in range(3):  # the next is sent only when this one was answered
            event = await peer.event()
            assert (event.opcode, event.data) == (Opcode.PING, b"")
            peer.flush()
        peer.send(PING)
        while (event := await peer.event()).opcode is not Opcode.BINARY:
            pass
        assert decode(event.data).type is PacketType.PONG, "netlab's own are answered too"


@pytest.mark.parametrize(("code", "reasons"), [(1000, ["quit"]), (1001, [])], ids=["normal", "going away"])
@live()
async def test_a_closing_frame(code: int, reasons: list[str]) -> None:
    """1000 is a goodbye; a page that is reloaded says 1001, and may resume."""
    async with server() as at, person(at.tcp, "ann", "tea") as ann:
        async with raw("ws", at) as peer:
            await peer.hello("bob")
            peer.say(m.Join(1, "tea"))
            await ann.until(lambda: len(ann.events) == 2)
            peer.http.send_close(code)
            peer.flush()
            while await peer.event() is not None:
                pass
        [row] = [row for row in await ann.chat.who("tea") if row["name"] == "bob"] or [{"here": None}]
        assert row["here"] is (None if reasons else False)


@live()
async def test_the_server_closes() -> None:
    async with server() as at, raw("ws", at) as peer:
        await peer.hello("ann")
        await at.shell.close()
        assert (await peer.hear()).code == "server_closed"
        assert (await peer.event()).opcode is Opcode.CLOSE
        assert peer.http.close_rcvd.code == 1001


class Scripted:
    """A server that says the same to whoever upgrades, in one write, and then reads until the client closes."""

    def __init__(self, said: bytes) -> None:
        self.said = said
        self.heard: list[Any] = []
        self.over = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        http = ServerProtocol(max_size=None)
        while (event := next(iter(http.events_received()), None)) is None:
            http.receive_data(await reader.read(65536))
        http.send_response(http.accept(event))
        writer.write(b"".join(http.data_to_send()) + self.said)
        while http.close_rcvd is None and (data := await reader.read(65536)):
            http.receive_data(data)
            self.heard += http.events_received()
        writer.close()
        self.over.set()

    async def meet(self) -> str:
        """A client comes; why its connection ended, as it says."""
        listener = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        with pytest.raises(ConnectionEnded) as ended:
            async with netlab.connect(f"ws://127.0.0.1:{port}", name="ann", reconnect=False):
                pass
        await self.over.wait()
        listener.close()
        return str(ended.value)


PING_PACKET = frame(PING)


@pytest.mark.parametrize(
    ("said", "code", "told"),
    [
        (close_frame("server_closed", ""), 1001, "the server closed the connection: server_closed"),
        (PING_PACKET + close_frame("server_closed", ""), 1001, "the server closed the connection: server_closed"),
        (PING_PACKET + frame(b"hi", Opcode.TEXT), 1002, "the server sent a frame of text"),
        (masked(PING), 1002, "the server's frames make no sense"),
        (bytes((0x83, 0)), 1002, "the server's frames make no sense"),
    ],
    ids=["closed", "pinged and closed", "text", "masked", "a reserved opcode"],
)
@live()
async def test_a_client_says_its_closing_frame(said: bytes, code: int, told: str) -> None:
    """RFC 6455 sections 5.5.1 and 7.1.7; what the server says may come with the upgrade, in one read."""
    server = Scripted(said)
    assert told in await server.meet()
    assert [int.from_bytes(event.data[:2], "big") for event in server.heard if event.opcode is Opcode.CLOSE] == [code]


@live(60)
async def test_cuts_lose_and_double_nothing() -> None:
    async with server() as at, Relay(at.ws, budget=(2_000, 12_000)) as relay:
        url = relay.url.replace("tcp", "ws")
        async with person(at.ws, "bob", "tea") as bob, person(url, "ann", "tea") as ann:
            for n in range(300):
                assert (await ann.chat.emit("say", n, to="tea")).status == "ok"
            assert await bob.hears(300) == list(range(300))
            assert await ann.hears(300) == list(range(300))
            assert relay.cuts >= 3


@live(60)
async def test_pings_without_reading_their_answers_are_bounded() -> None:
    limits = ChatLimits(backlog_soft=64_000, backlog_hard=256_000)
    async with server(limits) as at, raw("ws", at) as peer:
        await peer.hello("bad")
        peer.writer.transport.pause_reading()
        burst = masked(bytes(125), Opcode.PING) * 500
        while not at.count("slow_consumer"):
            peer.send_raw(burst)
            try:
                await peer.writer.drain()
            except ConnectionError:
                break
        assert at.count("slow_consumer") == 1


# Pure pieces


@given(st.binary(max_size=300) | st.sampled_from([65_535, 65_536, 70_000]).map(bytes))
def test_a_frame_is_what_the_library_makes_of_it(payload: bytes) -> None:
    from websockets.frames import Frame

    assert frame(payload) == Frame(Opcode.BINARY, payload).serialize(mask=False)


@given(st.binary(max_size=60))
def test_one_packet_and_nothing_else(more: bytes) -> None:
    assert is_one_packet(ROOMS)
    assert is_one_packet(ROOMS + more) is not bool(more)
    assert not is_one_packet(ROOMS[: len(more)][:-1])


@pytest.mark.parametrize("detail", ["", "x" * 500, "\u00e9" * 200])
def test_a_reason_fits_its_control_frame(detail: str) -> None:
    whole = close_frame("slow_consumer", detail)
    assert len(whole) <= 127
    whole[4:].decode()


# What docs/protocol.md shows


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
@live(60)
async def test_the_script_of_the_document() -> None:
    """A `WebSocket` as browsers have it speaks to a hub by the lines that the document shows."""
    document = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()
    [script] = re.findall(r"```js\n(.*?)```", document, re.DOTALL)
    async with server() as at, person(at.tcp, "ann", "lobby") as ann:
        script = script.replace("ws://127.0.0.1:9003", at.ws)
        assert at.ws in script
        node = await asyncio.create_subprocess_exec(
            *("node", "--no-warnings", "--experimental-websocket", "-e", script), stdout=asyncio.subprocess.PIPE
        )
        try:
            assert node.stdout is not None
            assert await ann.hears(1) == ["hello from a page"]
            printed = ""
            while "hello from a page" not in printed:
                printed += (await node.stdout.readline()).decode()
            assert printed.index("welcome") < printed.index("hello from a page")
        finally:
            node.kill()
            await node.communicate()


@pytest.mark.parametrize("scheme", ["ws", "sio"])
@live()
async def test_a_clients_key_comes_from_its_entropy(scheme: str) -> None:
    heads: list[bytes] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    async with await asyncio.start_server(take, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        with pytest.raises(ConnectionEnded):
            async with netlab.connect(f"{scheme}://127.0.0.1:{port}", name="ann", reconnect=False, entropy=bytes):
                pass
    [head] = heads
    assert b"\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n" in head, "sixteen zeros, as bytes(16) has them"
