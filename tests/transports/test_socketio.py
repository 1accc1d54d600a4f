"""Socket.IO: who is let in, polling by hand, what is malformed, a client that does not read, and how it ends.

npm's own client is in `test_npm`, python-socketio's here.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import msgspec
import pytest
import socketio as anybodys
from websockets.frames import Opcode

import netlab
from netlab.chat import messages as m
from netlab.chat.limits import ChatLimits
from netlab.errors import ConnectionEnded, Refused
from netlab.protocols import socketio
from netlab.protocols.socketio import MESSAGE_MOST
from netlab.protocols.websocket import frame
from netlab.transports.socketio import NeedsExtra
from netlab.units import KIB, MS

from .arena import MEMORY_GIVEN_BACK, WEBSOCKET, RawSio, RawTcp, Relay, Server, live, masked, person, raw, server

POLLING = "/socket.io/?EIO=4&transport=polling"


class Polling:
    """A session of Engine.IO over HTTP polling, by hand."""

    def __init__(self, http: aiohttp.ClientSession, base: str) -> None:
        self.http, self.base = http, base
        self.sid = ""
        self._heard: list[str] = []

    async def open(self, **headers: str) -> int:
        async with self.http.get(self.base, headers=headers) as response:
            if response.status == 200:
                self.sid = msgspec.json.decode((await response.text())[1:])["sid"]
            return response.status

    @property
    def url(self) -> str:
        return f"{self.base}&sid={self.sid}"

    async def post(self, *texts: str) -> int:
        async with self.http.post(self.url, data="\x1e".join(texts).encode()) as response:
            return response.status

    async def poll(self) -> list[str]:
        async with self.http.get(self.url) as response:
            return (await response.text()).split("\x1e") if response.status == 200 else []

    async def text(self) -> str:
        while not self._heard:
            self._heard += await self.poll()
        return self._heard.pop(0)

    async def hear(self) -> Any:
        """The next message of the hub."""
        while not (text := await self.text()).startswith("42"):
            assert text[:2] in ("40", "2", "6", "41", "1"), text
        return m.decode_hub_message(socketio.decode_told(text[1:].encode()))


@asynccontextmanager
async def polling(at: Server | str, name: str = "") -> AsyncIterator[Polling]:
    """A session that polls, by this name in the hub."""
    url = at if isinstance(at, str) else at.sio
    async with aiohttp.ClientSession() as http:
        peer = Polling(http, url.replace("sio://", "http://") + POLLING)
        if name:
            assert await peer.open() == 200
            assert await peer.post(f'40{{"name":"{name}"}}') == 200
            assert isinstance(await peer.hear(), m.Welcome)
        yield peer


# Who is let in


@pytest.mark.parametrize(
    ("headers", "let_in"),
    [
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "https://chat.example.evil.example"}, False),
        ({"Origin": "https://chat.example"}, True),
        ({}, True),
    ],
    ids=["foreign", "a file's", "one that begins alike", "allowed", "no browser"],
)
@live()
async def test_the_page_that_connects(headers: dict[str, str], let_in: bool) -> None:
    async with netlab.serve("sio://127.0.0.1:0", origins=["https://chat.example/"]) as at:
        peer = await RawSio.connect(at.url, **headers)
        assert peer.response.status_code == (101 if let_in else 403)
        await peer.close()
        async with polling(at.url) as poller:
            assert await poller.open(**headers) == (200 if let_in else 403)
            async with poller.http.options(poller.base, headers=headers) as response:
                assert response.status == (204 if let_in else 403)
                allowed = headers.get("Origin") if let_in else None
                assert response.headers.get("Access-Control-Allow-Origin") == allowed
        assert at.counters["foreign_origin"] == (0 if let_in else 3)


GETS = [
    (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"400 "),
    (b"GET /socket.io/?EIO=3&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n", b"400 "),
    (b"GET /socket.io/?EIO=4&transport=pigeon HTTP/1.1\r\nHost: x\r\n\r\n", b"400 "),
    (b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\n\r\n", b"400 "),
    (b"GET /socket.io/?EIO=4&transport=polling&sid=guess HTTP/1.1\r\nHost: x\r\n\r\n", b"400 "),
    (b"DELETE /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n", b"400 "),
    (b"POST /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx", b"400 "),
    (b"GET / HTTP/1.1\r\n" + b"X: " + b"x" * 20_000 + b"\r\n\r\n", b"400 "),
    (b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n", b"426 "),
    (b"GET /chat HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n", b"400 "),
    (b"\0" * 40 + b"\r\n\r\n", b"400 "),
]


@pytest.mark.parametrize(("request_", "answer"), GETS, ids=[request[:60].decode() for request, _ in GETS])
@live()
async def test_what_is_no_request_of_engine_io(request_: bytes, answer: bytes) -> None:
    async with server() as at, person(at.sio, "ann", "tea") as ann:
        peer = await RawTcp.connect(at.sio)
        peer.send(request_)
        assert (await peer.reader.read()).partition(b" ")[2].startswith(answer)
        await peer.close()
        assert (await ann.chat.emit("say", "x", to="tea")).status == "ok"


@live()
async def test_a_request_that_never_ends() -> None:
    async with server(ChatLimits(hello_within=100 * MS)) as at:
        peer = await RawTcp.connect(at.sio)
        peer.send(b"GET /socket.io/ HTTP/1.1\r\n")
        assert (await peer.reader.read()).startswith(b"HTTP/1.1 503 ")
        assert at.count("hello_timeout") == 1
        await peer.close()


@live()
async def test_a_session_that_says_no_hello() -> None:
    async with server(ChatLimits(hello_within=100 * MS)) as at, polling(at) as peer:
        assert await peer.open() == 200
        assert await peer.poll() == ["1"], "it is not connected to the namespace: only Engine.IO tells it"
        assert at.count("hello_timeout") == 1


@live()
async def test_a_port_that_speaks_something_else() -> None:
    async with server() as at:
        with pytest.raises(ConnectionEnded, match=r"^sio://127\.0\.0\.1:\d+: "):
            async with netlab.connect(at.tcp.replace("tcp", "sio"), name="ann", reconnect=False):
                pass
        with pytest.raises(ConnectionEnded, match="HTTP 400"):
            async with netlab.connect(at.sio.replace("sio", "ws"), name="ann", reconnect=False):
                pass


@live()
async def test_who_polls_gets_in_where_the_hub_is_full() -> None:
    """Its further connections are no further clients."""
    async with server(ChatLimits(connections=1)) as at, polling(at, "bob") as bob:
        assert await bob.post('421["join","tea"]') == 200
        heard = [await bob.text(), await bob.text()]
        assert any(text.startswith("431[") for text in heard)
        async with polling(at) as other:
            assert await other.open() == 503
        with pytest.raises(Refused, match="server_full"):
            async with netlab.connect(at.sio, name="ann"):
                pass


# Polling


@live()
async def test_a_talk_by_polling() -> None:
    async with server() as at, person(at.tcp, "ann", "tea") as ann, polling(at, "bob") as bob:
        assert await bob.post('42["join","tea"]', '42["say","tea","one"]', '42["say","tea","two"]') == 200
        assert await ann.hears(2) == ["one", "two"]
        waiting = asyncio.create_task(bob.poll())
        kinds = [msgspec.json.decode(text[2:])[0] for text in await waiting]
        assert kinds == ["joined", "result", "message", "result", "message", "result"] or "joined" in kinds
        await ann.chat.emit("say", "hi", to="tea")
        while not isinstance(heard := await bob.hear(), m.Message) or heard.name != "ann":
            pass
        assert heard.args == ["hi"]
        assert await bob.post("41") == 200
        await ann.until(lambda: [event for event in ann.events if getattr(event, "reason", "") == "quit"])


@live()
async def test_two_polls_at_once_end_the_session() -> None:
    async with server() as at, person(at.tcp, "ann", "tea") as ann, polling(at, "bob") as bob:
        first, second = asyncio.create_task(bob.poll()), asyncio.create_task(bob.poll())
        heard = [*await first, *await second]
        assert heard[-1] == "1"
        assert at.count("malformed") == 1
        assert (await ann.chat.emit("say", "x", to="tea")).status == "ok"


@pytest.mark.parametrize("body", ["x", "", "\x1e", "bAAAA", "4", "42[", "3", "5", "4\ud7ff"])
@live()
async def test_bodies_of_nonsense(body: str) -> None:
    async with server() as at, person(at.tcp, "ann", "tea") as ann, polling(at, "bob") as bob:
        await bob.post(body)
        assert (await bob.hear()).code == "malformed"
        assert at.count("malformed") == 1
        assert (await ann.chat.emit("say", "x", to="tea")).status == "ok"


@live()
async def test_a_body_too_big_is_not_read() -> None:
    async with server() as at, polling(at, "bob") as bob:
        assert await bob.post("4" * (MESSAGE_MOST + 1)) == 400
        assert at.count("too_big") == 1


@live()
async def test_a_body_that_never_ends() -> None:
    async with server(ChatLimits(started_packet=50 * MS)) as at, polling(at, "bob") as bob:
        peer = await RawTcp.connect(at.sio)
        target = bob.url.partition("/socket.io")[2]
        peer.send(f"POST /socket.io{target} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n42[".encode())
        assert b" 400 " in await peer.reader.readline()
        assert at.count("packet_timeout") == 1
        await peer.close()


@live()
async def test_what_waits_for_who_polls_is_bounded() -> None:
    limits = ChatLimits(backlog_soft=64 * KIB, backlog_hard=256 * KIB, message_rate=0)
    async with server(limits) as at, person(at.tcp, "ann", "tea") as ann, polling(at, "bob") as bob:
        await bob.post('42["join","tea"]')
        await ann.until(lambda: len(ann.events) == 2)
        for _ in range(40):
            await ann.chat.emit("say", "x" * 20_000, to="tea", skip_self=True)
        assert at.count("slow_consumer") == 1
        assert await bob.poll() == []


# Frames


BAD = [
    ("bytes", masked(b"42[]", Opcode.BINARY), "malformed"),
    ("no UTF-8", masked(b"42\xff", Opcode.TEXT), "malformed"),
    ("nothing", masked(b"", Opcode.TEXT), "malformed"),
    ("no mask", frame(b"2", 1), "malformed"),
    ("a text with one bit flipped, a pong", masked(b'42["stats"]', Opcode.PONG), "malformed"),
    ("no packet", masked(b"9", Opcode.TEXT), "malformed"),
    ("connected twice", masked(b"0", Opcode.TEXT), "malformed"),
    ("a pong to no ping", masked(b"3", Opcode.TEXT), "malformed"),
    ("an upgrade of a WebSocket", masked(b"5", Opcode.TEXT), "malformed"),
    ("attachments", masked(b'451-["x",{"_placeholder":true,"num":0}]', Opcode.TEXT), "malformed"),
    ("brackets", masked(b"42" + b"[" * 200_000, Opcode.TEXT), "malformed"),
    ("a wrong checksum", masked(b'42["stats",{"type":"stats","op":1},5]', Opcode.TEXT), "malformed"),
    ("too big", masked(bytes(MESSAGE_MOST + 1), Opcode.TEXT), "too_big"),
    ("fragments too big", masked(bytes(200_000), Opcode.TEXT, fin=False) + masked(bytes(99_000), Opcode.CONT),
     "too_big"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "code"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
@live()
async def test_bad_frames(data: bytes, code: str) -> None:
    async with server() as at, person(at.sio, "ann", "tea") as ann, raw("sio", at) as peer:
        assert (await peer.hello("bad")).name == "bad"
        peer.send_raw(data)
        assert (await peer.hear()).code == code
        assert at.count(code) == 1
        with suppress(ConnectionResetError):  # what was too big was not read
            while await peer.event() is not None:
                pass
        assert (await ann.chat.emit("say", "x", to="tea")).status == "ok"


@live()
async def test_after_one_checksum_nothing_is_taken_without() -> None:
    async with server() as at, raw("sio", at) as peer:
        peer.send_text(socketio.said(m.encode_json(m.Hello(name="bob"))).decode())
        assert (await peer.hear()).name == "bob"
        peer.send_text(socketio.said(m.encode_json(m.Rooms(1))).decode())
        assert (await peer.hear()).op == 1
        peer.send_text('42["rooms",{"type":"rooms","op":2}]')
        told = await peer.hear()
        assert (told.code, told.detail) == ("malformed", "crc: an event without its checksum")


@live()
async def test_a_frame_that_never_ends() -> None:
    async with server(ChatLimits(started_packet=100 * MS)) as at, raw("sio", at) as peer:
        await peer.hello("bad")
        peer.send_raw(masked(b'42["rooms"]', Opcode.TEXT)[:-1])
        assert (await peer.hear()).code == "packet_timeout"


@live()
async def test_pings_without_an_answer() -> None:
    limits = ChatLimits(ping_after=50 * MS, dead_after=15_100 * MS)
    async with server(limits) as at, raw("sio", at) as peer:
        await peer.hello("bad")
        for _ in range(3):
            assert await peer.text() == "2"
            peer.send_text("3")
        assert (await peer.text()) == "2"


@pytest.mark.parametrize("nonsense", ["4x", "5", "2", ""])
@live()
async def test_nonsense_over_a_websocket_that_is_tried_ends_the_session(nonsense: str) -> None:
    async with server() as at, polling(at, "bob") as bob:
        peer = await RawSio.connect(at.sio, target=f"{WEBSOCKET}&sid={bob.sid}")
        peer.send_raw(masked(nonsense.encode(), Opcode.TEXT) if nonsense else b"\xff" * 20)
        assert await peer.event() is None or nonsense == ""
        if nonsense:
            assert (await bob.hear()).code == "malformed"
        assert at.count("malformed") == 1
        await peer.close()


@pytest.mark.parametrize("said", ["", "2probe"])
@live()
async def test_a_websocket_that_is_tried_and_given_up_leaves_the_polling(said: str) -> None:
    async with server() as at, person(at.tcp, "ann", "tea") as ann, polling(at, "bob") as bob:
        target = f"{WEBSOCKET}&sid={bob.sid}"
        peer = await RawSio.connect(at.sio, target=target)
        second = await RawSio.connect(at.sio, target=target)
        assert second.response.status_code == 400, "one at a time"
        await second.close()
        if said:
            peer.send_text(said)
            assert await peer.text() == "3probe"
            assert await bob.poll() == ["6"], "the poll that waits comes back"
        await peer.close()
        await bob.post('42["join","tea"]')
        await ann.chat.emit("say", "on", to="tea")
        while not isinstance(heard := await bob.hear(), m.Message):
            pass
        assert heard.args == ["on"]


@pytest.mark.slow
@live(60)
async def test_cuts_lose_and_double_nothing() -> None:
    async with server() as at, Relay(at.sio, budget=(2_000, 12_000)) as relay:
        url = relay.url.replace("tcp", "sio")
        async with person(at.sio, "bob", "tea") as bob, person(url, "ann", "tea") as ann:
            for n in range(300):
                assert (await ann.chat.emit("say", n, to="tea")).status == "ok"
            assert await bob.hears(300) == list(range(300))
            assert await ann.hears(300) == list(range(300))
            assert relay.cuts >= 3


# Another's client


@live(60)
@pytest.mark.parametrize("transports", [["websocket"], ["polling"], ["polling", "websocket"]], ids=str)
async def test_python_socketio_takes_part(transports: list[str]) -> None:
    async with server() as at, person(at.tcp, "ann", "tea") as ann:
        client = anybodys.AsyncClient(reconnection=False)
        heard: asyncio.Queue[Any] = asyncio.Queue()
        client.on("message", lambda said, checksum: heard.put_nowait(said))
        await client.connect(at.sio.replace("sio", "http"), transports=transports, auth={"name": "bob"})
        assert (await client.call("join", {"room": "tea"}))["status"] == "ok"
        assert (await client.call("say", ("tea", "from python")))["rooms"] == {"tea": 3}
        assert await ann.hears(1) == ["from python"]
        assert (await heard.get())["args"] == ["from python"]
        await client.disconnect()


# A client that does not read

STALLED = """
import asyncio, gc, resource, sys
import netlab
from netlab.chat.limits import ChatLimits

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()

async def main():
    async with netlab.serve("sio://127.0.0.1:0", limits=ChatLimits(message_rate=0)) as server:
        async with netlab.connect(server.url, name="ann") as ann:
            await ann.join("tea")
            for _ in range(500):  # what a hub keeps for who resumes is full then
                await ann.emit("say", "x" * 100_000, to="tea", skip_self=True)
            print(server.url, flush=True)
            await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
            assert len(await ann.who("tea")) == 2
            gc.collect()
            before = most = resident()
            for _ in range(2_000):  # 200 MB
                assert (await ann.emit("say", "x" * 100_000, to="tea", skip_self=True)).status == "ok"
                most = max(most, resident())
            print((most - before) / 1e6, server.counters["slow_consumer"], flush=True)

asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells how much memory a process has")
@pytest.mark.parametrize("carrier", ["websocket", "polling"])
@live(100)
async def test_a_stalled_client_costs_little(carrier: str) -> None:
    """200 MB are said to a client that does not read: at most 8 MB of memory, in a process of its own."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", STALLED), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=MEMORY_GIVEN_BACK
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        url = (await child.stdout.readline()).decode().strip()
        async with polling(url, "bob") if carrier == "polling" else raw("sio", url) as peer:
            if carrier == "polling":
                await peer.post('42["join","tea"]')
                await peer.hear()
            else:
                await peer.hello("bob")
                peer.say(m.Join(1, "tea"))
                await peer.hear()
                peer.writer.transport.pause_reading()
            child.stdin.write(b"go\n")
            cost, cut = (await child.stdout.readline()).split()
            assert float(cost) <= 8, f"{float(cost):.1f} MB"
            assert cut == b"1"
    finally:
        if child.returncode is None:
            child.kill()
        await child.communicate()


# Without the package


def test_a_missing_package_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    async def serve() -> None:
        async with netlab.serve("sio://127.0.0.1:0"):
            pass

    with pytest.raises(NeedsExtra, match=r"^sio:// needs aiohttp: pip install 'netlab-edu\[web\]'$"):
        asyncio.run(serve())
    code = "import sys, netlab, netlab.transports.endpoints; print('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"False\n"
