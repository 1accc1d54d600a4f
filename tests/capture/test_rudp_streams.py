"""netlab's packets in rudp's streams: what a capture tells of a chat is what its people said and heard, and when."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import NamedTuple

import pytest

from netlab.capture.files import Capture, parse
from netlab.network import parse_link
from netlab.network.recording import Recording
from netlab.network.seeds import seeded_entropy, seeded_simulation
from netlab.network.virtual_loop import run as run_loop
from netlab.network.virtual_loop import virtual_loop
from netlab.packets.packet import PacketType
from netlab.transports import HubShell, connect, serve
from netlab.transports.alarm import now_ns
from netlab.units import Ns

LINK = "delay=10ms jitter=8ms loss=10% duplicate=5% corrupt=1%"
PEOPLE = ("ann", "bob")
TEXTS = 12


class Known(NamedTuple):
    """What the simulation knows: when each text was said; of each person, what was heard and when."""

    said: dict[str, Ns]
    heard: dict[str, list[tuple[Ns, str]]]


def talk(seed: int) -> tuple[Capture, Known]:
    """A chat over a bad link, short texts and some of several packets; with what every host and the link saw."""
    simulation, tap, known = seeded_simulation(seed), Recording(), Known({}, defaultdict(list))
    server, *clients = (simulation.host(name) for name in ("server", *PEOPLE))
    for client in clients:
        simulation.connect(client, server, parse_link(LINK))
    for host in (server, *clients):
        simulation.tap(host.name, tap)

    async def host_chat(over: asyncio.Event) -> None:
        hub = HubShell(entropy=seeded_entropy(str(seed), "hub"), wall_clock=lambda: 0)
        async with serve("rudp://0.0.0.0:9002", hub=hub):
            await over.wait()

    async def person(name: str, others: asyncio.Barrier) -> None:
        loop = asyncio.get_running_loop()
        async with connect("rudp://server:9002", name=name, entropy=seeded_entropy(str(seed), name)) as chat:

            def hear(text: str) -> None:
                known.heard[name].append((now_ns(loop), text))

            chat.on("say")(hear)
            await chat.join("lobby")
            await others.wait()
            for number in range(TEXTS):
                text = f"{number} of {name}" + "x" * (3000 * (number % 4 == 0))
                known.said[text] = now_ns(loop)
                await chat.emit("say", text, to="lobby")
            await others.wait()
            await asyncio.sleep(2)

    async def everybody() -> None:
        loop, over, others = virtual_loop(), asyncio.Event(), asyncio.Barrier(len(PEOPLE))
        serving = loop.spawn(server, host_chat(over))
        await asyncio.gather(*(loop.spawn(client, person(client.name, others)) for client in clients))
        over.set()
        await serving

    run_loop(simulation, everybody())
    return parse(tap.pcapng()), known


def at(capture: Capture, name: str) -> Capture:
    """What one host saw."""
    return capture.where(interface=[interface.name for interface in capture.interfaces].index(name))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_messages_are_what_was_said_and_heard_and_when(seed: int) -> None:
    capture, known = talk(seed)
    for person in PEOPLE:
        mine = [text for text in known.said if text.endswith(person) or f"of {person}x" in text]
        seen = at(capture, person)
        emits = [one for one in seen.messages() if one.chat.type == "emit"]
        assert [(one.began, one.chat.text) for one in emits] == [(known.said[text], text) for text in mine]
        came = [one for one in seen.messages() if one.chat.type == "message"]
        assert [(one.ended, one.chat.text) for one in came] == known.heard[person]
        assert {one.chat.text for one in came} == known.said.keys()
        (address,) = {flow.src for flow in seen.flows() if flow.number == emits[0].flow}
        at_server = [one for one in at(capture, "server").where(src=address).messages() if one.chat.type == "emit"]
        assert [one.chat.text for one in at_server] == mine  # each once and in order, whatever the link did
        assert all(one.stream is None and one.rudp_stream is not None for one in (*emits, *came, *at_server))
        # the link did something: of what was sent some did not come, and some was sent again
        sent, got = seen.where(src=address), at(capture, "server").where(src=address)
        assert len(set(sent.columns.identification.tolist()) - set(got.columns.identification.tolist())) > 3


def test_the_columns_of_the_chat_have_them_too() -> None:
    capture, known = talk(4)
    for person in PEOPLE:
        said = at(capture, person).where(chat_type="message")
        assert len(said) > TEXTS
        assert set(said.columns.chat_text.tolist()) <= known.said.keys()
        assert (said.columns.room == "lobby").all()
        assert (said.columns.netlab_type == PacketType.SEGMENT).all()  # what the datagram begins with
    assert {1, 2} <= set(capture.columns.netlab_packets.tolist())
