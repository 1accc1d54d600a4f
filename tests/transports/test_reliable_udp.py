"""Reliable connections over real sockets: bytes both ways, what is lost, who is gone; and the chat's sessions."""

from __future__ import annotations

import asyncio
import random
import socket
from collections import Counter
from contextlib import AsyncExitStack

import pytest

import netlab
from netlab.chat import messages as m
from netlab.chat.limits import ChatLimits
from netlab.errors import ConnectionEnded, LocalProtocolError, MessageTooBig, Refused
from netlab.packets.packet import Packet, PacketType, encode
from netlab.protocols.streams_in import Deliver, Ended
from netlab.protocols.streams_out import CHUNK
from netlab.protocols.trace import Decision
from netlab.transports.reliable_flow import AHEAD, BULK, ReliableFlow, dial, listen
from netlab.transports.reliable_udp import Settings
from netlab.units import MS

from .arena import live, person, raw, server


async def echo(flow: ReliableFlow) -> None:
    """What comes on a stream goes back on it."""
    async for came in flow:
        if isinstance(came, Deliver):
            await flow.send(came.data, stream=came.stream)
        else:
            await flow.finish(stream=came.stream)


@live()
async def test_a_megabyte_there_and_back() -> None:
    data = random.Random(1).randbytes(1_000_000)
    async with listen("rudp://127.0.0.1:0", echo) as at, dial(at.url) as flow:
        await flow.send(data)
        await flow.finish()
        assert await flow.read() == data
        await flow.acknowledged()
        figures = flow.figures
        assert figures["flight_size"] == 0
        assert figures["segments_out"] >= 1_000_000 // CHUNK
        assert figures["srtt_us"] > 0
        assert at.counters["datagrams_in"] > 0


@live()
async def test_many_streams_and_messages_out_of_order() -> None:
    async with listen("rudp://127.0.0.1:0", echo) as at, dial(at.url) as flow:
        for stream in range(10):
            await flow.send(b"x" * 10_000 * stream, stream=stream)
            await flow.finish(stream=stream)
        came: Counter[int] = Counter()
        ended = set()
        async for output in flow:
            if isinstance(output, Ended):
                ended.add(output.stream)
            else:
                came[output.stream] += len(output.data)
            if len(ended) == 10:
                break
        assert came == Counter({stream: 10_000 * stream for stream in range(1, 10)})
        await flow.send(b"one message", stream=99, unordered=True)
        async for output in flow:
            assert output == Deliver(99, b"one message", 0)
            break
        with pytest.raises(MessageTooBig):
            await flow.send(bytes(CHUNK + 1), stream=99, unordered=True)
        with pytest.raises(LocalProtocolError):
            await flow.send(b"x", stream=1)


@live()
async def test_who_does_not_read_holds_the_sender_back() -> None:
    reading = asyncio.Event()

    async def slow(flow: ReliableFlow) -> None:
        await reading.wait()
        assert await flow.read() == data

    data = random.Random(1).randbytes(8_000_000)
    async with listen("rudp://127.0.0.1:0", slow) as at, dial(at.url) as flow:
        sending = asyncio.create_task(flow.send(data))
        shut = asyncio.Event()
        flow._transport.on_step = lambda: shut.set() if flow._transport.machine._probe_window_at else None
        await shut.wait()  # the window
        flow._transport.on_step = flow._stepped
        assert not sending.done()
        assert len(data) - flow._transport.machine.queued <= BULK.buffer + AHEAD + CHUNK
        reading.set()
        await sending
        await flow.finish()
        await flow.acknowledged()


@live()
async def test_nobody_listens() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        async with dial(f"rudp://127.0.0.1:{port}"):
            pass


@live()
async def test_a_server_that_goes_away_and_one_that_forgot() -> None:
    reached = asyncio.Event()

    async def sink(flow: ReliableFlow) -> None:
        async for _ in flow:
            reached.set()

    async with AsyncExitStack() as stack:
        at = await stack.enter_async_context(listen("rudp://127.0.0.1:0", sink))
        with pytest.raises(ConnectionEnded, match="the peer left"):  # noqa: PT012
            async with dial(at.url) as flow:
                await flow.send(b"x")
                await reached.wait()
                await stack.aclose()
                await flow.read()


@live()
async def test_a_peer_that_left_ends_the_iteration_and_what_is_said_then_raises() -> None:
    async def short(flow: ReliableFlow) -> None:
        await flow.send(b"bye")

    async with listen("rudp://127.0.0.1:0", short) as at, dial(at.url) as flow:
        assert [came async for came in flow] == [Deliver(0, b"bye", 0), Ended(0)]
        with pytest.raises(ConnectionEnded, match="the connection is over"):
            await flow.send(b"too late")


@live()
async def test_a_block_that_raises_aborts() -> None:
    ended = asyncio.get_running_loop().create_future()

    async def sink(flow: ReliableFlow) -> None:
        try:
            async for _ in flow:
                pass
        except ConnectionEnded as error:
            ended.set_result(str(error))

    async with listen("rudp://127.0.0.1:0", sink) as at:
        with pytest.raises(KeyError):  # noqa: PT012
            async with dial(at.url) as flow:
                await flow.send(b"x")
                await flow.acknowledged()
                raise KeyError
        assert await ended == "the peer left"


@live()
async def test_a_blackout_for_ever_names_what_is_unacknowledged() -> None:
    settings = Settings(give_up=300 * MS)

    async def sink(flow: ReliableFlow) -> None:
        flow._transport._send = lambda data: None  # type: ignore[method-assign]  # it says nothing
        await asyncio.Future()

    told = "no acknowledgement for 300ms: 5 B from byte 0 of stream 0 on are unacknowledged"
    with pytest.raises(ConnectionEnded, match=told):  # noqa: PT012
        async with listen("rudp://127.0.0.1:0", sink) as at, dial(at.url, settings=settings) as flow:
            await flow.send(b"hello")
            await flow.acknowledged()


@live()
async def test_what_is_decided_is_traced() -> None:
    seen: list[Decision] = []
    async with (
        listen("rudp://127.0.0.1:0", echo) as at,
        dial(at.url, settings=Settings(trace=seen.append, control="reno")) as flow,
    ):
        await flow.send(b"x" * 100_000)
        await flow.acknowledged()
    assert {"sent", "ack"} <= {decision.cause for decision in seen}
    assert seen[0].phase == "slow start"


# Damage, strangers, sessions


@live()
async def test_damaged_datagrams_and_strangers_are_counted_and_change_nothing() -> None:
    async with listen("rudp://127.0.0.1:0", echo) as at, dial(at.url) as flow:
        await flow.send(b"one")
        token = flow._transport.machine._token
        async with raw("udp", at.url) as stranger:
            damaged = bytearray(encode(Packet(bytes(60), session=token, type=PacketType.SEGMENT)))
            damaged[-1] ^= 1
            stranger.send(damaged)
            stranger.send(encode(Packet(bytes(60), session=token, type=PacketType.SEGMENT)))  # from another address
            assert len(await stranger.inbox.get()) < 88, "a reset, smaller than what caused it"
        await flow.send(b"two")
        await flow.finish()
        assert await flow.read() == b"onetwo"
        assert at.counters["malformed_crc"] == 1
        assert at.counters["unknown_session"] == 1


@live()
async def test_a_session_survives_its_connection() -> None:
    """The server forgets a connection, as a restarted one would: the client is told, connects anew, and resumes."""
    async with server() as at, person(at.rudp, "ann", "tea") as ann, person(at.rudp, "bob", "tea") as bob:
        await ann.chat.emit("say", 1, to="tea")
        end = ann.chat._end.end  # type: ignore[union-attr]
        end._made.abort()  # type: ignore[attr-defined]
        await ann.becomes("reconnecting")
        await bob.chat.emit("say", 2, to="tea")
        await ann.becomes("resumed")
        assert (await ann.chat.emit("say", 3, to="tea")).status == "ok"
        assert await ann.hears(3) == await bob.hears(3) == [1, 2, 3]
        assert ann.chat.missing == 0


@live()
async def test_the_largest_message_crosses() -> None:
    async with server() as at, person(at.rudp, "ann", "tea") as ann, person(at.rudp, "bob", "tea") as bob:
        text = "x" * ann.chat.max_message
        assert (await ann.chat.emit("say", text, to="tea")).status == "ok"
        assert await bob.hears(1) == [text]
        assert ann.chat.figures["segments_out"] > 200


@live()
async def test_a_full_server_says_so() -> None:
    async with server(ChatLimits(connections=1)) as at, person(at.rudp, "ann"):
        with pytest.raises(Refused, match="server_full"):
            async with netlab.connect(at.rudp, name="bob"):
                pass


@live()
async def test_a_server_that_closes_says_goodbye() -> None:
    async with server() as at, person(at.rudp, "ann", "tea") as ann:
        await at.shell.close()
        await ann.becomes("ended")
        assert [event.code for event in ann.events if hasattr(event, "code")][-1] == "server_closed"


@live()
async def test_best_effort_and_reliable_share_a_handshake_and_not_more() -> None:
    """Who speaks udp to a rudp server gets a session, and what it says there is counted and not understood."""
    async with server() as at, raw("udp", at.rudp) as peer, netlab.connect(at.tcp) as looking:
        peer.send_hello(m.Hello(name="ann"))
        [cookie] = await peer.packets()
        peer.send_hello(m.Hello(name="ann", cookie=cookie.payload.decode()))
        [ack] = await peer.packets()
        peer.token = ack.session
        peer.say(m.Stats(1))
        while not at.count("unexpected_type"):
            await looking.stats()
