"""A class: real clients over real datagrams through the relay, and the teacher's hand on them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

import netlab
from netlab.transports import Chat
from netlab.web import classroom as c
from netlab.web import limits
from netlab.web.classroom import BadOrder, Classroom, Order, in_class
from netlab.web.server import Page, listen, serving

from .running import live

TOKEN, SECRET = "a token of the class", "the teacher's own"


class Teacher:
    """Hears what a teacher's page hears."""

    def __init__(self, room: Classroom) -> None:
        self.room = room
        self.heard: list[dict[str, Any]] = []
        self._came = asyncio.Event()
        room.listeners.add(self)

    def __call__(self, what: dict[str, Any]) -> None:
        self.heard.append(dict(what))
        self._came.set()

    async def until(self, wanted: Callable[[dict[str, Any]], bool], *, since: int = 0) -> dict[str, Any]:
        """The first that is so, of those that came from `since` on."""
        while True:
            for what in self.heard[since:]:
                if wanted(what):
                    return what
            self._came.clear()
            await self._came.wait()

    async def waiting(self, words: str, *, since: int = 0) -> dict[str, Any]:
        """A packet that says this and waits."""
        return await self.until(
            lambda w: w["type"] == "packet" and w["state"] == "waiting" and words in w["says"], since=since
        )

    async def fate(self, number: int, state: str) -> None:
        await self.until(lambda w: w["type"] == "fate" and w["id"] == number and w["state"] == state)


@asynccontextmanager
async def a_class() -> AsyncIterator[tuple[Classroom, Teacher]]:
    async with in_class("127.0.0.1", token=TOKEN, secret=SECRET, ports={"udp": 0, "rudp": 0}) as room:
        yield room, Teacher(room)


@asynccontextmanager
async def student(room: Classroom, name: str, over: str = "udp") -> AsyncIterator[tuple[Chat, list[str]]]:
    async with netlab.connect(room.local_url(over), name=name, token=TOKEN) as chat:
        heard: list[str] = []
        chat.on("message")(heard.append)
        await chat.join("lobby")
        yield chat, heard


def host_of(room: Classroom, name: str) -> c.Host:
    return next(host for host in room.hosts.values() if host.name == name)


@pytest.mark.parametrize("over", ["udp", "rudp"])
@live
async def test_the_teacher_sees_who_is_there_and_what_they_say(over: str) -> None:
    async with a_class() as (room, teacher), student(room, "ann", over) as (ann, _):
        told = await teacher.until(lambda w: w["type"] == "host" and w["host"]["name"] == "ann")
        assert (told["host"]["over"], told["host"]["held"]) == (over, False)
        assert (await ann.emit("message", "hi", to="lobby")).status == "ok"
        said = await teacher.until(lambda w: w["type"] == "packet" and "emit message to lobby: 'hi'" in w["says"])
        assert said["way"] == "there"
        await teacher.fate(said["id"], "delivered")
        there = host_of(room, "ann").told["there"]
        assert there > 0
        await teacher.until(lambda w: w["type"] == "host" and w["host"]["there"] >= there)


@pytest.mark.slow
@live
async def test_held_passed_and_dropped() -> None:
    async with a_class() as (room, teacher), student(room, "ann") as (ann, _), student(room, "bob") as (_, heard):
        room.order(Order("hold", host_of(room, "ann").id))
        first = asyncio.create_task(ann.emit("message", "one", to="lobby"))
        held = await teacher.waiting("'one'")
        assert heard == []
        room.order(Order("pass", host_of(room, "ann").id, held["id"]))
        answer = await teacher.waiting("result ok")
        room.order(Order("pass", packet=answer["id"]))
        assert (await first).status == "ok"
        assert heard == ["one"]
        second = asyncio.create_task(ann.emit("message", "two", to="lobby"))
        held = await teacher.waiting("'two'")
        room.order(Order("drop", packet=held["id"]))
        await teacher.fate(held["id"], "dropped by hand")
        assert (await second).status == "unknown"
        assert heard == ["one"]
        with pytest.raises(BadOrder, match="does not wait any more"):
            room.order(Order("pass", packet=held["id"]))


@live
async def test_rudp_sends_again_what_was_dropped_or_damaged_by_hand() -> None:
    async with (
        a_class() as (room, teacher),
        student(room, "ann", "rudp") as (ann, _),
        student(room, "bob") as (_, heard),
    ):
        for what, state in (("drop", "dropped by hand"), ("corrupt", "corrupted")):
            room.order(Order("hold", host_of(room, "ann").id))
            said = asyncio.create_task(ann.emit("message", what, to="lobby"))
            held = await teacher.waiting(f"'{what}'")
            room.order(Order(what, packet=held["id"]))  # type: ignore[arg-type]
            await teacher.fate(held["id"], state)
            room.order(Order("release"))
            room.order(Order("pass"))
            assert (await said).status == "ok"
        assert heard == ["drop", "corrupt"]


@pytest.mark.slow
@live
async def test_udp_loses_what_was_damaged() -> None:
    async with a_class() as (room, teacher), student(room, "ann") as (ann, _), student(room, "bob") as (_, heard):
        room.order(Order("hold", host_of(room, "ann").id))
        said = asyncio.create_task(ann.emit("message", "hi", to="lobby"))
        held = await teacher.waiting("'hi'")
        room.order(Order("corrupt", packet=held["id"]))
        await teacher.fate(held["id"], "corrupted")
        assert (await said).status == "unknown"
        assert heard == []


@live
async def test_delayed() -> None:
    async with a_class() as (room, teacher), student(room, "ann") as (ann, _), student(room, "bob") as (_, heard):
        ann_id = host_of(room, "ann").id
        room.order(Order("hold", ann_id))
        said = asyncio.create_task(ann.emit("message", "hi", to="lobby"))
        held = await teacher.waiting("'hi'")
        room.order(Order("release", ann_id))
        began = asyncio.get_running_loop().time()
        room.order(Order("delay", packet=held["id"], by_ms=300))
        await teacher.fate(held["id"], "delayed by hand")
        assert (await said).status == "ok"
        assert asyncio.get_running_loop().time() - began >= 0.3
        assert heard == ["hi"]


@pytest.mark.slow
@live
async def test_a_line_that_loses_all() -> None:
    async with a_class() as (room, teacher), student(room, "ann") as (ann, _), student(room, "bob") as (bob, _):
        room.order(Order("link", host_of(room, "ann").id, link="loss=100%"))
        assert (await ann.emit("message", "hi", to="lobby")).status == "unknown"
        await teacher.until(lambda w: w["type"] == "fate" and w["state"] == "lost")
        assert (await bob.emit("message", "hi", to="lobby")).status == "ok"
        room.order(Order("link"))
        assert (await ann.emit("message", "hi", to="lobby")).status == "ok"
        with pytest.raises(BadOrder, match="link: "):
            room.order(Order("link", link="loss=2"))
        with pytest.raises(BadOrder, match="host '99' is not in the class"):
            room.order(Order("hold", "99"))
        with pytest.raises(BadOrder, match="delay: "):
            room.order(Order("delay", by_ms=10**9))


@live
async def test_a_second_class_on_one_machine() -> None:
    async with a_class() as (room, _):
        ports = {scheme: int(room.local_url(scheme).rpartition(":")[2]) for scheme in ("udp", "rudp")}
        async with in_class("127.0.0.1", token=TOKEN, secret=SECRET, ports=ports) as other:
            assert other.local_url("udp") != room.local_url("udp")
            async with student(other, "ann") as (ann, _):
                assert (await ann.emit("message", "hi", to="lobby")).status == "ok"


class Sender(asyncio.DatagramProtocol):
    """Somebody who sends whatever he likes."""


async def sender(room: Classroom) -> asyncio.DatagramTransport:
    port = int(room.local_url("udp").rpartition(":")[2])
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Sender, remote_addr=("127.0.0.1", port))
    return transport


@live
async def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WAITING_OF_ONE", 3)
    async with a_class() as (room, teacher):
        flood = await sender(room)
        flood.sendto(b"x")
        await teacher.until(lambda w: w["type"] == "packet")
        room.order(Order("hold"))
        for _ in range(5):
            flood.sendto(b"x")
        await teacher.until(lambda w: w["type"] == "fate" and w["state"] == "queue full")
        assert next(iter(room.hosts.values())).told["waiting"] == 3
        flood.close()


@live
async def test_who_came_longest_ago_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HOSTS", 2)
    async with a_class() as (room, teacher):
        senders = []
        for number in range(3):
            senders.append(await sender(room))
            senders[-1].sendto(b"\x00<script>")
            await teacher.until(lambda w, n=number: w["type"] == "packet" and w["host"] == str(n + 1))  # type: ignore[misc]
        assert [host.id for host in room.hosts.values()] == ["2", "3"]
        assert {"type": "gone", "host": "1"} in teacher.heard
        for one in senders:
            one.close()


# Over HTTP


@asynccontextmanager
async def pages(room: Classroom) -> AsyncIterator[tuple[str, aiohttp.ClientSession]]:
    at = listen("127.0.0.1", 0)
    async with serving(Page("127.0.0.1", classroom=room).app, at), aiohttp.ClientSession() as session:
        yield f"http://127.0.0.1:{at.getsockname()[1]}", session


async def hear(socket: aiohttp.ClientWebSocketResponse, kind: str) -> dict[str, Any]:
    while True:
        told: dict[str, Any] = await socket.receive_json()
        if told["type"] == kind:
            return told


@pytest.mark.parametrize("over", ["udp", "rudp"])
@live
async def test_browsers_are_in_the_class_as_everybody_is(over: str) -> None:
    text = "<script>alert(1)</script>"
    async with (
        a_class() as (room, _),
        pages(room) as (url, session),
        student(room, "bob") as (bob, heard),
        session.ws_connect(f"{url}/class/teach") as teacher,
        session.ws_connect(f"{url}/class/join") as ann,
    ):
        await teacher.send_json({"secret": SECRET})
        assert (await hear(teacher, "class"))["token"] == TOKEN
        await ann.send_json({"token": TOKEN, "name": "ann", "over": over})
        assert (await hear(ann, "in"))["name"] == "ann"
        await ann.send_json({"say": text})
        assert (await hear(ann, "ended")) == {"type": "ended", "text": text, "outcome": "ok"}
        assert heard == [text]
        await bob.emit("message", "hi ann", to="lobby")
        while (told := await hear(ann, "heard"))["name"] != "bob":
            pass
        assert told["text"] == "hi ann"
        await teacher.send_json({"do": "hold", "host": host_of(room, "ann").id})
        while not (told := await hear(teacher, "host"))["host"]["held"]:
            pass
        assert told["host"]["name"] == "ann"
        await ann.send_json({"say": "held"})
        while (told := await hear(teacher, "packet"))["state"] != "waiting":
            pass
        await teacher.send_json({"do": "release", "host": ""})
        await teacher.send_json({"do": "pass"})
        while (await hear(ann, "ended"))["text"] != "held":
            pass
        await teacher.send_json({"do": "explode"})
        assert "no sense" in (await hear(teacher, "error"))["error"]
        await ann.send_str("[" * 50_000)
        assert "no sense" in (await hear(ann, "error"))["error"]


@pytest.mark.parametrize(
    ("path", "said", "why"),
    [
        ("teach", {"secret": "guessed"}, "not the teacher's secret"),
        ("teach", {"secret": TOKEN}, "not the teacher's secret"),
        ("teach", {"do": "hold"}, "not the teacher's secret"),
        ("join", {"token": "guessed", "name": "ann"}, "another token"),
        ("join", {"name": "ann"}, "say who you are"),
        ("join", {"token": TOKEN, "name": "no name, this"}, "bad_name"),
    ],
)
@live
async def test_who_is_not_let_in(path: str, said: dict[str, str], why: str) -> None:
    async with a_class() as (room, _), pages(room) as (url, session):
        async with session.ws_connect(f"{url}/class/{path}") as socket:
            await socket.send_json(said)
            assert why in (await hear(socket, "refused"))["error"]
            assert (await socket.receive()).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
        assert len(room.listeners) == 1


@live
async def test_a_foreign_page_opens_no_socket() -> None:
    async with a_class() as (room, _), pages(room) as (url, session):
        for path in ("teach", "join"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(f"{url}/class/{path}", origin="http://evil.example")
            assert refused.value.status == 403
