"""The chat over kernel UDP: cookies and amplification, datagrams of several packets, and the traps of asyncio."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

import netlab
from netlab.chat import messages as m
from netlab.chat.limits import ChatLimits
from netlab.packets.limits import DATAGRAM_PAYLOAD, ReassemblyLimits
from netlab.packets.packet import Packet, PacketType, decode_all, encode, with_session
from netlab.transports.url import parse_url
from netlab.units import MS

from .arena import RawUdp, live, person, raw, server

FREE = ChatLimits(message_rate=0)


# The handshake


@live()
async def test_nothing_is_kept_before_a_cookie_came_back() -> None:
    async with server() as at, raw("udp", at) as peer:
        for n in range(50):
            peer.hello_id = n
            peer.send_hello(m.Hello(name=f"n{n}"))
            [cookie] = await peer.packets()
            assert (cookie.type, cookie.message_id) == (PacketType.COOKIE, n)
        assert at.count("connections") == 0
        assert len(at.shell._ports) == 0


@live()
async def test_what_goes_to_an_unvalidated_address_is_no_larger_than_what_came() -> None:
    async with server() as at, raw("udp", at) as peer:
        hello = m.encode_json(m.Hello(name="x"))
        for size in range(len(hello), 200):
            peer.send(request := encode(Packet(hello.ljust(size), size, type=PacketType.HELLO)))
            if size < 22:
                continue
            answer = await peer.inbox.get()
            assert len(answer) <= len(request)
        small = encode(Packet(b"{}", 1, type=PacketType.HELLO))
        peer.send(small)
        peer.send(encode(Packet(hello.ljust(22), 7, type=PacketType.HELLO)))
        [cookie] = await peer.packets()
        assert cookie.message_id == 7, "the small one got no answer"


@live()
async def test_a_cookie_is_for_one_address_and_one_hello() -> None:
    async with server() as at, raw("udp", at) as first, raw("udp", at) as second:
        first.send_hello(m.Hello(name="ann"))
        [cookie] = await first.packets()
        second.hello_id = first.hello_id
        second.send_hello(m.Hello(name="ann", cookie=cookie.payload.decode()))  # another port
        first.hello_id += 1
        first.send_hello(m.Hello(name="ann", cookie=cookie.payload.decode()))  # another hello
        for peer in (first, second):  # answered as if it had had none (RFC 6347 §4.2.1): with one that is theirs
            [fresh] = await peer.packets()
            assert fresh.type is PacketType.COOKIE
            assert fresh.payload != cookie.payload
        assert at.count("connections") == 0
        first.hello_id -= 1
        assert (await first.hello("ann")).name == "ann"
        assert at.count("bad_cookie") == 2
        assert at.count("connections") == 1


@live()
async def test_a_hello_that_is_repeated_makes_one_session() -> None:
    async with server() as at, raw("udp", at) as peer:
        peer.send_hello(m.Hello(name="ann"))
        [cookie] = await peer.packets()
        for _ in range(5):
            peer.send_hello(m.Hello(name="ann", cookie=cookie.payload.decode()))
        tokens, sids = set(), set()
        for _ in range(5):
            [ack] = await peer.packets()
            tokens.add(ack.session)
        while len(sids) < 1:
            sids.add((await peer.hear()).sid)
        assert len(tokens) == 1
        assert at.count("sessions_opened") == at.count("connections") == 1


@live()
async def test_a_token_is_bound_to_the_address_it_was_given_to() -> None:
    async with server() as at, raw("udp", at) as ann, raw("udp", at) as thief:
        await ann.hello("ann")
        thief.token = ann.token
        thief.say(m.Join(1, "tea"))
        ann.say(m.Stats(2))
        result = await ann.hear()
        assert (result.op, result.data["rooms"]) == (2, 0)
        assert at.count("unknown_session") == 1


@live()
async def test_unknown_sessions_are_told_at_most_ten_times_a_second_and_only_where_smaller() -> None:
    async with server() as at, raw("udp", at) as stranger:
        stranger.token = b"stranger"
        stranger.send_packet(Packet(b"", 1))  # small: no answer
        for n in range(50):
            stranger.send_packet(Packet(bytes(200), n))
        stranger.send_hello(m.Hello(name="x"))
        answers = 0
        while True:
            datagram = await stranger.inbox.get()
            [packet] = decode_all(datagram)
            if packet.type is PacketType.COOKIE:
                break
            assert packet.type is PacketType.ERROR
            assert len(datagram) < 228
            answers += 1
        assert 1 <= answers <= 12
        assert at.count("unknown_session") == 51


@live()
async def test_who_is_forgotten_by_the_server_reconnects() -> None:
    """A server that restarted on the same port knows the session no more, and says so."""
    async with netlab.serve("udp://127.0.0.1:0") as at:
        port = parse_url(at.url).port
        ann = netlab.connect(at.url, name="ann")
        chat = await ann.__aenter__()
        await chat.join("tea")
        at._machine._forget(next(iter(at._machine._door.flows.values())))  # type: ignore[union-attr]
        at._shell.closed(1, said=False)  # type: ignore[union-attr]
        outcome = await chat.emit("say", "x" * 200, to="tea")
        assert outcome.status == "unknown"
        statuses = []
        async for event in chat.events():
            statuses.append(getattr(event, "status", type(event).__name__))
            if statuses[-1] == "Joined" and "restarted" in statuses:
                break
        assert (await chat.emit("say", "back", to="tea")).status == "ok"
        assert port == parse_url(at.url).port
        await ann.__aexit__(None, None, None)


# Datagrams


@live()
async def test_every_datagram_fits_the_path_and_carries_the_token() -> None:
    async with server(FREE) as at, raw("udp", at) as peer, person(at.tcp, "ann", "tea") as ann:
        await peer.hello("peer")
        peer.say(m.Join(1, "tea"))
        await ann.until(lambda: len(ann.events) == 2)
        for size in (0, 1000, 1200, 5000, 60_000):
            await ann.chat.emit("say", "x" * size, to="tea")
        count = packets = 0
        fragments: dict[int, int] = {}
        while count < 60:
            datagram = await asyncio.wait_for(peer.inbox.get(), 5)
            assert len(datagram) <= DATAGRAM_PAYLOAD
            inside = decode_all(datagram)
            assert inside[0].session == peer.token
            packets += len(inside)
            count += 1
            for packet in inside:
                fragments[packet.message_id] = packet.count
            if any(packet.count > 40 and packet.index == packet.count - 1 for packet in inside):
                break
        assert max(fragments.values()) == 52


@live()
async def test_small_messages_of_one_turn_share_datagrams() -> None:
    async with server(FREE) as at, raw("udp", at) as peer, raw("tcp", at) as speaker:
        await peer.hello("peer")
        peer.say(m.Join(1, "tea"))
        await peer.hear()
        await speaker.hello("speaker")
        packets = [encode(Packet(m.encode_json(m.Join(1, "tea"))))]
        packets += [encode(Packet(m.encode_json(m.Emit(op, "say", ["tea"], [op])))) for op in range(2, 66)]
        speaker.send(b"".join(packets))
        heard: list[Any] = []
        datagrams = 0
        while len(heard) < 64:
            inside = await peer.packets()
            datagrams += 1
            for packet in inside:
                message = m.decode_hub_message(packet.payload)
                if isinstance(message, m.Message):
                    heard.append(message.args[0])
        assert heard == list(range(2, 66))
        assert datagrams <= 20


@live()
async def test_several_packets_in_one_datagram_are_several_messages() -> None:
    async with server(FREE) as at, raw("udp", at) as peer:
        await peer.hello("peer")
        together = b"".join(encode(Packet(m.encode_json(m.Rooms(op)), op)) for op in range(1, 6))
        peer.send_packet(together)
        ops = set()
        while len(ops) < 5:
            for packet in await peer.packets():
                ops.add(m.decode_hub_message(packet.payload).op)  # type: ignore[union-attr]
        assert ops == {1, 2, 3, 4, 5}


@live()
async def test_one_bad_packet_spoils_its_datagram_and_nothing_else() -> None:
    async with server(FREE) as at, raw("udp", at) as peer:
        await peer.hello("peer")
        good = encode(Packet(m.encode_json(m.Rooms(1)), 1))
        peer.send(with_session(good, peer.token)[:-1] + b"?")
        peer.send_packet(good + b"NL")
        peer.say(m.Rooms(2))
        assert (await peer.hear()).op == 2
        assert at.count("malformed_crc") == 1
        assert at.count("malformed_header") == 1


# Reassembly's limits


def fragment(index: int, count: int, payload: bytes, message_id: int = 99) -> Packet:
    return Packet(payload, message_id, index, count)


@pytest.mark.parametrize(
    ("fragments", "counter"),
    [
        ([fragment(0, 3, b"x" * 600), fragment(0, 3, b"y" * 600)], "conflicting_fragment"),
        ([fragment(0, 3, b"x" * 600), fragment(1, 4, b"x" * 600)], "conflicting_fragment"),
        ([fragment(0, 3, b"x" * 511)], "tiny_fragment"),
        ([fragment(0, 257, b"x" * 1000)], "too_many_fragments"),
        ([fragment(0, 3, b"x" * 600), fragment(0, 3, b"x" * 600)], "duplicate_fragment"),
        ([fragment(0, 2, b"x" * 600, n) for n in range(17)], "peer_messages"),
        ([fragment(n, 20, bytes(1000), 1) for n in range(10)] + [fragment(n, 20, bytes(1000), 2) for n in range(10)],
         "peer_memory"),
        ([fragment(n, 9, bytes(1100)) for n in range(9)], "oversized_message"),
        ([fragment(0, 2, b"x" * 600)], "reassembly_timeout"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
@live()
async def test_fragments_beyond_the_limits_are_counted(fragments: list[Packet], counter: str) -> None:
    limits = {
        "oversized_message": ReassemblyLimits(max_message=9_000),
        "peer_memory": ReassemblyLimits(memory_per_peer=15_000),
        "reassembly_timeout": ReassemblyLimits(timeout=200 * MS),
    }.get(counter, ReassemblyLimits())
    async with server(FREE, reassembly=limits) as at, raw("udp", at) as bad:  # noqa: SIM117
        async with person(at.udp, "ann", "tea") as ann, person(at.udp, "bob", "tea") as bob:
            await bad.hello("bad")
            for packet in fragments:
                bad.send_packet(packet)
            while not at.count(counter):
                await ann.chat.who("tea")
            assert (await ann.chat.emit("say", "x" * 3000, to="tea")).status == "ok"
            assert await bob.hears(1) == ["x" * 3000]
            bad.say(m.Rooms(1))
            assert (await bad.hear()).status == "ok"


# Best effort, seen


@live()
async def test_what_arrives_twice_is_shown_twice_and_counted() -> None:
    async with server() as at, person(at.udp, "ann", "tea") as ann, raw("udp", at) as peer:
        await peer.hello("peer")
        peer.say(m.Join(1, "tea"))
        await ann.until(lambda: len(ann.events) == 2)
        datagram = encode(Packet(m.encode_json(m.Emit(2, "say", ["tea"], ["twice"])), 5))
        peer.send_packet(datagram)
        peer.send_packet(datagram)
        assert await ann.hears(2) == ["twice", "twice"]
        assert at.count("duplicates_in") == 1


@live()
async def test_a_client_that_vanishes_is_told_of_when_it_says_bye() -> None:
    async with server() as at, person(at.udp, "ann", "tea") as ann, raw("udp", at) as peer:
        await peer.hello("peer")
        peer.say(m.Join(1, "tea"))
        await ann.until(lambda: len(ann.events) == 2)
        peer.send_packet(Packet(type=PacketType.PING))
        while not any(packet.type is PacketType.PONG for packet in await peer.packets()):
            pass
        peer.send_packet(Packet(type=PacketType.BYE))
        await ann.until(lambda: isinstance(ann.events[-1], m.Left))
        assert ann.events[-1].reason == "quit"


@live()
async def test_counters_that_the_user_can_see() -> None:
    async with server() as at, person(at.udp, "ann", "tea") as ann:
        await ann.chat.emit("say", "x", to="tea")
        assert ann.chat.counters["datagrams_out"] >= 4
        assert ann.chat.counters["datagrams_in"] >= 4
        assert ann.chat.counters["events"] == 2
        stats = (await ann.chat.stats())["transports"][at.udp]
        assert stats["datagrams_in"] == ann.chat.counters["datagrams_out"]
        assert stats["bytes_in"] > 0
        if "kernel_drops" in stats:
            assert stats["kernel_drops"] == 0


# The traps of asyncio, as measured on Python 3.11: what the code relies on


@live()
async def test_trap_an_empty_datagram_is_silently_not_sent() -> None:
    """So nothing here may mean something by an empty datagram. (Later Pythons send it.)"""
    loop = asyncio.get_running_loop()
    receiver_transport, receiver = await loop.create_datagram_endpoint(RawUdp, local_addr=("127.0.0.1", 0))
    sender = await RawUdp.connect("udp://{}:{}".format(*receiver_transport.get_extra_info("sockname")))
    sender.send(b"")
    sender.send(b"after")
    first = await receiver.inbox.get()
    assert first in (b"after", b"")
    await sender.close()
    receiver_transport.close()


@live()
async def test_an_empty_datagram_from_another_program_is_counted() -> None:
    async with server() as at, person(at.udp, "ann", "tea") as ann:
        address = parse_url(at.udp)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"", (address.host, address.port))
        await ann.chat.who("tea")
        assert at.count("malformed_header") == 1


@live()
async def test_trap_a_payload_over_65507_bytes_only_reaches_error_received() -> None:
    async with server() as at, raw("udp", at) as peer:
        peer.send(bytes(65_508))  # raises nothing
        error = await peer.errors.get()
        assert isinstance(error, OSError)
        peer.send(bytes(65_507))
        peer.send_hello(m.Hello(name="x"))
        assert (await peer.packets())[0].type is PacketType.COOKIE
        assert at.count("malformed_magic") == 1


@live()
async def test_trap_a_lone_surrogate_does_not_reach_anybody() -> None:
    async with server() as at, person(at.udp, "ann", "tea") as ann, raw("udp", at) as peer:
        await peer.hello("peer")
        peer.say(b'{"type":"emit","op":1,"event":"e","to":["tea"],"args":["\\ud800"]}')
        assert (await peer.hear()).code == "malformed"
        with pytest.raises(UnicodeEncodeError):
            await ann.chat.emit("say", "\ud800", to="tea")
        assert (await ann.chat.emit("say", "lives", to="tea")).status == "ok"


@live()
async def test_trap_200000_brackets() -> None:
    async with server() as at, person(at.udp, "ann", "tea") as ann, raw("udp", at) as peer:
        await peer.hello("peer")
        for packet in range(1):
            peer.say(b'{"type":"emit","op":1,"event":"e","to":["tea"],"args":' + b"[" * 200_000)
            assert (await peer.hear()).code == "malformed", packet
        assert (await ann.chat.emit("say", "lives", to="tea")).status == "ok"


@live()
async def test_who_leaves_over_udp_leaves_no_timer_on_a_closed_socket() -> None:
    """After a goodbye from the server the client's socket is closed: nothing may be sent on it."""
    async with server() as at, person(at.udp, "ann", "tea") as ann:
        end = ann.chat._end.end  # type: ignore[union-attr]
        await at.shell.close()
        await ann.becomes("ended")
        assert end._alarm._handle is None  # type: ignore[attr-defined]
        assert ann.chat._alarm._handle is None
