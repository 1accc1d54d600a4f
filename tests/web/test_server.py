"""The page's server: runs, packets and captures over HTTP; who is refused; what is bounded."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from yarl import URL

import netlab
from netlab.capture.files import parse
from netlab.web import limits
from netlab.web.access import Names, seen_as
from netlab.web.rooms import Rooms, hosted, origins
from netlab.web.server import CannotServe, Page, listen, serving

from .running import live

FREE = dict.fromkeys(("tcp", "udp", "rudp", "ws"), 0)
SCRIPT = {
    "seed": 1,
    "link": {"loss": "30%", "delay": "40ms"},
    "texts": [{"at": 0, "text": "<script>alert(1)</script>"}],
}


@asynccontextmanager
async def page(bound: str = "127.0.0.1", **parts: Any) -> AsyncIterator[tuple[str, aiohttp.ClientSession]]:
    at = listen("127.0.0.1", 0)
    async with serving(Page(bound, **parts).app, at), aiohttp.ClientSession() as session:
        yield f"http://127.0.0.1:{at.getsockname()[1]}", session


@live
async def test_a_run_its_packets_and_its_capture() -> None:
    async with page() as (url, session):
        async with session.post(f"{url}/bench/run", json=SCRIPT) as answer:
            assert (answer.status, answer.content_type) == (200, "application/json")
            run = await answer.json()
        assert [lane["over"] for lane in run["lanes"]] == ["udp", "tcp", "rudp", "ws"]
        tcp = run["lanes"][1]
        assert [heard["text"] for heard in tcp["heard"]] == ["<script>alert(1)</script>"]
        name = next(p["id"] for p in tcp["packets"] if p["carries"])
        async with session.post(
            f"{url}/bench/packet", json={"script": run["script"], "over": "tcp", "packet": name}
        ) as answer:
            told = await answer.json()
        assert told["layers"][2]["protocol"] == "TCP"
        async with session.post(f"{url}/bench/capture", json={"script": SCRIPT, "over": "udp"}) as answer:
            assert answer.headers["Content-Disposition"] == 'attachment; filename="bench-udp.pcapng"'
            assert len(parse(await answer.read())) > 10


@pytest.mark.parametrize(
    ("path", "body", "status", "complaint"),
    [
        ("run", {"link": {"loss": "30"}}, 400, "link: "),
        ("run", [1], 400, "no script: "),
        ("packet", {"script": {}, "over": "udp", "packet": "client>server:999"}, 400, "is none of this run's"),
        ("packet", {"script": {}}, 400, "no question: "),
        ("capture", {"script": {}, "over": "../../etc"}, 400, "is no lane"),
        ("run", {"texts": [{"at": 0, "text": "x" * limits.BODY}]}, 413, f"more than {limits.BODY} bytes"),
    ],
)
@live
async def test_what_can_not_be_run(path: str, body: Any, status: int, complaint: str) -> None:
    async with page() as (url, session), session.post(f"{url}/bench/{path}", json=body) as answer:
        assert answer.status == status
        error = (await answer.json())["error"]
        assert complaint in error
        assert "\n" not in error


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:1"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": ""}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "localhost:1", "Origin": "http://localhost:1"}, 200),
        ({"Host": "localhost:1", "Origin": "http://localhost:2"}, 403),
        ({"Content-Type": "text/plain"}, 415),
    ],
)
@live
async def test_who_may_ask(headers: dict[str, str], status: int) -> None:
    async with page() as (url, session):
        sent = {"Content-Type": "application/json"} | headers
        async with session.post(f"{url}/bench/run", data=b"{}", headers=sent) as answer:
            assert answer.status == status


@live
async def test_at_every_address_a_number_will_do_and_a_strangers_name_will_not() -> None:
    async with page("0.0.0.0") as (url, session):
        for host, status in (("10.1.2.3:9080", 200), ("evil.example:9080", 403)):
            async with session.get(f"{url}/settings.json", headers={"Host": host}) as answer:
                assert answer.status == status


@live
async def test_every_answer_is_told_how_it_may_be_used() -> None:
    rooms = Rooms("ws://127.0.0.1:9003", asks_for_token=False)
    async with page(rooms=rooms) as (url, session):
        for path in (
            "/settings.json",
            "/nothing",
            "/static/nothing.js",
            "/static/..%2Fserver.py",
            "/static/%2Fetc%2Fhosts",
        ):
            async with session.get(URL(url + path, encoded=True)) as answer:
                assert answer.status == (200 if path == "/settings.json" else 404)
                policy = answer.headers["Content-Security-Policy"]
                assert "default-src 'none'" in policy
                assert "connect-src 'self' ws://127.0.0.1:9003" in policy
                assert answer.headers["X-Content-Type-Options"] == "nosniff"


@live
async def test_the_pages_own_rooms_let_the_page_in_and_no_other() -> None:
    pages = origins("127.0.0.1", 9080)
    async with hosted("127.0.0.1", pages=pages, ports=FREE) as rooms, page(rooms=rooms) as (url, session):
        async with session.get(f"{url}/settings.json") as answer:
            told = await answer.json()
        assert told["ws"] == rooms.urls[0]
        at = told["ws"].replace("ws://", "http://")
        for origin, status in (("http://127.0.0.1:9080", 101), ("http://localhost:9080", 101), ("http://x:9080", 403)):
            try:
                async with session.ws_connect(at, origin=origin):
                    found = 101
            except aiohttp.WSServerHandshakeError as error:
                found = error.status
            assert found == status, origin
        async with netlab.connect(rooms.urls[0], name="ann") as ann:
            await ann.join("lobby")


@pytest.mark.parametrize("everywhere", ["0.0.0.0", "::"])
def test_where_it_listens_everywhere_the_page_may_join_under_each_of_this_machines_names(everywhere: str) -> None:
    pages = origins(everywhere, 9080)
    assert f"http://{seen_as(everywhere)}:9080" in pages
    assert f"http://{socket.gethostname().lower()}:9080" in pages
    assert {"http://127.0.0.1:9080", "http://[::1]:9080"} <= set(pages)
    assert not {"http://0.0.0.0:9080", "http://[::]:9080"} & set(pages)
    assert all(Names(everywhere).has(urlsplit(page).netloc) for page in pages)


@live
async def test_a_port_that_is_taken() -> None:
    with listen("127.0.0.1", 0) as taken, pytest.raises(CannotServe, match=r"taken: choose another, or --port 0$"):
        listen("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(CannotServe, match=r"^cannot listen at http://nobody\.invalid:1: "):
        listen("nobody.invalid", 1)


@live
async def test_rooms_where_ports_are_taken() -> None:
    """WebSocket, which the page needs, goes to another; what is only for terminals is left out."""
    async with hosted("127.0.0.1", pages=[], ports=FREE) as rooms:
        taken = {url.partition(":")[0]: int(url.rpartition(":")[2]) for url in rooms.urls}
        async with hosted("127.0.0.1", pages=[], ports=taken) as others:
            assert [url.partition(":")[0] for url in others.urls] == ["ws"]
            assert others.urls[0] != rooms.urls[0]
            assert f"--chat ws://127.0.0.1:{taken['ws']} joins those" in others.notices[0]
            assert len(others.notices) == 4
