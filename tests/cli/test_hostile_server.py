"""A server that means harm: whatever it says, the terminal obeys none of it, and the client ends in order."""

from __future__ import annotations

import asyncio
import json
import threading

import pexpect
import pytest

from netlab.packets.packet import Packet, PacketType, encode
from netlab.protocols.stream import BytesArrived, Deliver, StreamConnection

pytestmark = pytest.mark.slow

EVIL = "\x1b]52;c;aGFja2Vk\x07\x1b[66;66Hevil\r\x9b31m\u202egnp\u2066\u2028\u200f"
RAW = [
    b"\x1b]52",
    b"\x1b[66;66H",
    b"\x9b",
    *(character.encode() for character in "\x07\x9b\u202e\u2066\u2028\u200f"),
]
"""What must not reach the terminal. (ESC itself does: prompt_toolkit moves the cursor with it.)"""


class Hostile:
    """A raw TCP server: each message of a client is answered with what `answer` returns for it."""

    def __init__(self, answer):
        self._answer = answer
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        starting = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._serve, "127.0.0.1", 0), self._loop)
        self._server = starting.result(30)
        self.port = str(self._server.sockets[0].getsockname()[1])

    async def _serve(self, reader, writer):
        machine = StreamConnection(0)
        try:
            while data := await reader.read(65536):
                for output in machine.handle(BytesArrived(data), 0):
                    if isinstance(output, Deliver):
                        for answer in self._answer(json.loads(output.message)):
                            writer.write(answer if isinstance(answer, bytes) else packet(answer))
        except ConnectionError:
            pass
        finally:
            writer.close()

    def close(self):
        async def stop():
            self._server.close()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(stop(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()


def packet(message):
    kind = PacketType.ERROR if message["type"] == "goodbye" else PacketType.DATA
    return encode(Packet(json.dumps(message).encode(), 1, type=kind))


@pytest.fixture
def hostile():
    """Start hostile servers; they are closed with the test."""
    servers = []

    def begin(answer):
        servers.append(Hostile(answer))
        return servers[-1]

    yield begin
    for server in servers:
        server.close()


def welcome(**more):
    return {"type": "welcome", "sid": "s" * 22, "name": EVIL, "secret": "x", "max_message": 1000} | more


def everything(asked):
    """Hostile strings in every place where a server may say something."""
    op = asked.get("op", 0)
    match asked["type"]:
        case "hello":
            return [welcome()]
        case "join":
            return [
                {"type": "result", "op": op, "status": "ok", "rooms": {asked["room"]: 1}, "epoch": EVIL},
                {"type": "joined", "rooms": {EVIL: 1}, "sid": EVIL, "name": EVIL, "time": 2**60},
            ]
        case "emit":
            message = {"type": "message", "sid": EVIL, "name": EVIL, "op": 1, "time": -1}
            return [
                message | {"rooms": {EVIL: 2, "lobby": 2}, "event": "message", "args": [EVIL]},
                message | {"rooms": {"lobby": 3}, "event": EVIL, "args": [{EVIL: EVIL}]},
                message | {"rooms": {"s" * 22: 3}, "event": "message", "args": [EVIL]},
                {"type": "left", "rooms": {EVIL: 4}, "sid": EVIL, "name": EVIL, "time": 0, "reason": "lost"},
                {"type": "gap", "room": EVIL, "from": 1, "to": None},
                {"type": "goodbye", "code": "malformed", "detail": EVIL},
                {"type": "result", "op": op, "status": "failed", "code": EVIL, "detail": EVIL},
            ]
        case "who":
            data = {"members": [{"name": EVIL, "sid": EVIL, "here": False}], "more": False}
            return [{"type": "result", "op": op, "status": "ok", "data": data}]
        case "rooms":
            data = {"rooms": [{"room": EVIL, "members": 1}], "more": False}
            return [{"type": "result", "op": op, "status": "ok", "data": data}]
        case "find":
            return [{"type": "result", "op": op, "status": "ok", "data": {"sid": EVIL}}]
        case "stats":
            data = {EVIL: {EVIL: EVIL}, "x" * 5000: [[EVIL]]}
            return [{"type": "result", "op": op, "status": "ok", "data": data}]
    return []


COMMANDS = ["/who", "/rooms", "/stats", "hello", "/msg someone psst"]


def test_a_terminal_obeys_nothing(hostile, terminal):
    child = terminal("tcp-chat", "join", "--port", hostile(everything).port)
    child.logfile_read = shown = Shown()
    child.expect_exact("lobby")
    for command in COMMANDS:
        child.sendline(command)
    child.expect("not done")
    child.expect("not done")  # both texts were refused
    child.sendline("/quit")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert b"evil" in shown.data
    assert b"\\x1b[66;66H" in shown.data
    for raw in RAW:
        assert raw not in shown.data


class Shown:
    """All bytes that reached a terminal."""

    def __init__(self):
        self.data = b""

    def write(self, data):
        self.data += data

    def flush(self):
        pass


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_pipes_carry_no_escapes(hostile, netlab, form):
    lines = "\n".join(COMMANDS).encode()
    done = netlab("tcp-chat", "join", "--port", hostile(everything).port, *form, stdin=lines)
    assert done.returncode == 1
    for output in (done.stdout, done.stderr):
        for raw in (b"\x1b", b"\r", *RAW):
            assert raw not in output
    if form:
        assert done.stdout.isascii()
        told = [json.loads(line) for line in done.stdout.splitlines()]
        texts = [entry["text"] for entry in told if entry["type"] == "message" and "text" in entry]
        assert texts == [EVIL] * 2  # what comes again is shown once


def test_a_dumb_terminal_gets_no_escape(hostile, terminal):
    child = terminal("tcp-chat", "join", "--port", hostile(everything).port, term="dumb")
    for command in [*COMMANDS, "/quit"]:
        child.sendline(command)
    child.expect(pexpect.EOF)
    assert b"evil" in child.before
    for raw in (b"\x1b", *RAW):
        assert raw not in child.before


@pytest.mark.parametrize("command", [["tcp-chat", "join", "--port"], ["stats"]])
@pytest.mark.parametrize(
    "answer",
    [
        {"type": "goodbye", "code": "name_taken", "detail": EVIL},
        {"type": "goodbye", "code": EVIL, "detail": EVIL},
        b"NLxx" + b"\0\1" + b"\xff" * 40,
        b"HTTP/1.1 400 " + EVIL.encode(),
        {"type": "goodbye", "code": "server_full", "detail": "x" * 5000},
    ],
)
def test_a_refusal_is_one_safe_line(hostile, netlab, command, answer):
    port = hostile(lambda asked: [answer]).port
    done = netlab(*command, port if "chat" in command[0] else f"tcp://127.0.0.1:{port}")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"netlab: error: ")
    assert done.stderr.count(b"\n") == 1
    for raw in (b"\x1b", b"\r", *RAW):
        assert raw not in done.stderr


def with_data(data):
    def answer(asked):
        if asked["type"] in ("who", "rooms", "find", "stats"):
            return [{"type": "result", "op": asked["op"], "status": "ok", "data": data}]
        return everything(asked)

    return answer


SENSELESS = [
    None,
    7,
    [],
    {},
    {"members": None, "rooms": 3, "sid": []},
    {"members": [{"name": 1}], "rooms": [[]], "more": True},
    {"members": [], "rooms": [], "more": True},
    {"members": [{"name": "a", "sid": "b", "here": True}], "rooms": [{"room": "a", "members": 1}], "more": True},
]


@pytest.mark.parametrize("data", SENSELESS, ids=str)
def test_answers_without_sense(hostile, netlab, data):
    lines = b"/who\n/rooms\n/msg someone hi\n/stats\n/help\n"
    done = netlab("tcp-chat", "join", "--port", hostile(with_data(data)).port, stdin=lines)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert done.stdout.count(b"\nhelp ") > 5
    errors = done.stderr.decode().splitlines()
    assert all(line.startswith(("line ", "netlab tcp-chat: of 5 lines")) for line in errors)


@pytest.mark.parametrize(
    "rate",
    [
        {"messages": 0, "burst": 0, "bytes": 0},
        {"messages": -5, "burst": -5, "bytes": -5},
        {"messages": 1, "burst": 1, "bytes": 1},
        {"messages": 2**62, "burst": 2**62, "bytes": 2**62},
    ],
    ids=str,
)
def test_a_rate_without_sense_does_not_hang_the_end(hostile, start, rate):
    def answer(asked):
        return [welcome(rate=rate)] if asked["type"] == "hello" else everything(asked)

    process = start("tcp-chat", "join", "--port", hostile(answer).port)
    process.stdin.write(b"hello\n")
    process.stdin.close()
    process.stdin = None
    try:
        process.wait(3)
    except Exception:
        process.terminate()
    _, err = process.communicate(timeout=30)
    assert process.returncode in (1, 143)
    assert b"Traceback" not in err, err.decode()


@pytest.mark.parametrize("most", [0, -1, 2**62])
def test_a_limit_without_sense(hostile, netlab, most):
    def answer(asked):
        return [welcome(max_message=most)] if asked["type"] == "hello" else everything(asked)

    done = netlab("tcp-chat", "join", "--port", hostile(answer).port, stdin=b"hello\n")
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert b"exceed the hub's limit" in done.stderr or b"line 1: failed" in done.stderr
