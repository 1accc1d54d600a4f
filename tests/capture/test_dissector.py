"""The dissector, run by tshark: every field as our decoder has it, messages put together as ours are."""

from __future__ import annotations

import asyncio
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address
from pathlib import Path
from typing import TypeAlias

import pytest

from netlab.capture.live import capture_command
from netlab.capture.recorded import recorded
from netlab.capture.wireshark.dissector import dissector
from netlab.network import parse_link
from netlab.network.seeds import seeded_entropy, seeded_simulation
from netlab.network.virtual_loop import run as run_loop
from netlab.network.virtual_loop import virtual_loop
from netlab.packets import ipv4, pcapng, segment, tcp, udp
from netlab.packets.ethernet import EthernetFrame
from netlab.packets.ethernet import encode as encode_frame
from netlab.packets.header import Shown
from netlab.packets.limits import ReassemblyLimits
from netlab.packets.packet import HEADER, HEADER_LEN, SESSION, SESSION_LEN, Packet, PacketType, decode_all, encode
from netlab.packets.reassembly import Arrived, Dropped, Reassembler, Whole
from netlab.packets.split import split
from netlab.transports import HubShell, connect, serve
from netlab.units import MS, S

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "wireshark.md"
ANN, BOB = IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2")
SMALL = ReassemblyLimits().min_fragment
EVENT = b'{"type":"emit","op":3,"event":"say","to":["lobby"],"args":["hi"]}'

Fields: TypeAlias = dict[str, list[str]]
Tshark: TypeAlias = Callable[..., list[Fields]]


@pytest.fixture
def tshark(tmp_path: Path) -> Tshark:
    """Run tshark with the dissector over a file; each frame's values of the fields asked for come back."""
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    plugin = tmp_path / "netlab.lua"
    plugin.write_text(dissector())

    def run(file: Path, *fields: str, options: Iterable[str] = ()) -> list[Fields]:
        command = ["tshark", "-r", str(file), "-X", f"lua_script:{plugin}", *options, "-T", "fields"]
        command += ["-E", "occurrence=a", "-E", "aggregator=\x1e", "-E", "separator=\x1f"]
        command += [word for field in fields for word in ("-e", field)]
        environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
        said = [line for line in done.stderr.splitlines() if "as user" not in line]
        assert (done.returncode, said) == (0, [])
        rows = [line.split("\x1f") for line in done.stdout.split("\n")[:-1]]
        return [
            {field: cell.split("\x1e") if cell else [] for field, cell in zip(fields, row, strict=True)} for row in rows
        ]

    return run


def write(path: Path, frames: Iterable[tuple[int, bytes]], names: tuple[str, ...] = ("lo",)) -> Path:
    """A capture of frames, each with its time; one that stands behind others names its interface by its place."""
    blocks = [pcapng.section_header(), *map(pcapng.interface, names)]
    blocks += [pcapng.enhanced_packet(0, time, frame) for time, frame in frames]
    path.write_bytes(b"".join(blocks))
    return path


def datagram(payload: bytes, ports: tuple[int, int] = (40_000, 9001)) -> bytes:
    data = udp.encode(udp.UdpDatagram(*ports, payload), ANN, BOB)
    return encode_frame(EthernetFrame(bytes(6), bytes(6), 0x0800, ipv4.encode(ipv4.Ipv4Packet(ANN, BOB, 17, data))))


def tcp_segment(seq: int, payload: bytes, ports: tuple[int, int] = (40_000, 9000)) -> bytes:
    head = tcp.TcpSegment(*ports, seq, 1, tcp.TcpFlags.ACK, 500, payload)
    data = tcp.encode(head, ANN, BOB)
    return encode_frame(EthernetFrame(bytes(6), bytes(6), 0x0800, ipv4.encode(ipv4.Ipv4Packet(ANN, BOB, 6, data))))


# ---- what our decoder has, by the names of the filters ---------------------------------------------------------------

HEADER_FIELDS = [f"netlab.{field.key}" for field in HEADER.fields]


def as_tshark_writes(key: str, value: int) -> str:
    field = HEADER.field(key)
    if field.shown is Shown.TEXT:
        return value.to_bytes(field.bits // 8, "big").decode()
    return field.text(value) if field.shown is Shown.HEX else f"{value:#04x}" if key == "flags" else str(value)


def expected(payload: bytes) -> Fields:
    """The fields of the whole packets that a payload begins with."""
    found: Fields = {name: [] for name in [*HEADER_FIELDS, "netlab.session"]}
    at = 0
    while at < len(payload):
        values = HEADER.read(payload, at)
        for key, value in values.items():
            found[f"netlab.{key}"].append(as_tshark_writes(key, value))
        body = at + HEADER_LEN
        if values["flags"] & SESSION:
            found["netlab.session"].append(payload[body : body + SESSION_LEN].hex())
        at = body + values["payload_length"]
    return found


pytestmark = pytest.mark.slow


def test_every_field_of_a_chat_over_udp_is_as_our_decoder_has_it(tshark: Tshark) -> None:
    capture = recorded("chat-udp")
    told = tshark(capture.path if capture.path.exists() else Path("missing"), *HEADER_FIELDS, "netlab.session")
    for packet, row in zip(capture, told, strict=True):
        assert decode_all(packet.record.data[42:])
        assert row == expected(packet.record.data[42:]), packet.record.number
    assert sum(len(row["netlab.session"]) for row in told) > 100


def test_every_field_of_a_chat_over_tcp_is_as_our_decoder_has_it(tshark: Tshark) -> None:
    capture = recorded("chat-tcp")
    told = tshark(capture.path, "tcp.stream", "ip.src", "tcp.srcport", *HEADER_FIELDS)
    streams: dict[tuple[str, ...], bytes] = {}
    theirs: dict[tuple[str, ...], Fields] = {}
    for packet, row in zip(capture, told, strict=True):
        flow = (*row["tcp.stream"], *row["tcp.srcport"])
        header = 14 + 20 + (packet.record.data[46] >> 4) * 4
        streams[flow] = streams.get(flow, b"") + packet.record.data[header:]  # the kernel's loopback loses nothing
        for name in HEADER_FIELDS:
            theirs.setdefault(flow, {}).setdefault(name, []).extend(row[name])
    assert len(streams) == 6
    for flow, stream in streams.items():
        ours = expected(stream)
        assert theirs[flow] == {name: ours[name] for name in HEADER_FIELDS}


@pytest.mark.parametrize("ports", [(40_000, 9000), (40_000, 40_001)])
def test_packets_that_span_segments_or_share_one(tshark: Tshark, tmp_path: Path, ports: tuple[int, int]) -> None:
    dice = random.Random(1)
    stream = b"".join(encode(Packet(EVENT + b" " * dice.randrange(90), number)) for number in range(300))
    frames, at = [], 0
    while at < len(stream):
        piece = stream[at : at + (20 if at == 0 else dice.choice([1, 19, 20, 21, 60, 400, 1400]))]
        frames.append((at, tcp_segment(at + 1, piece, ports)))
        at += len(piece)
    told = tshark(write(tmp_path / "x.pcapng", frames), *HEADER_FIELDS, "netlab.text", "_ws.expert.message")
    found: Fields = {name: [value for row in told for value in row[name]] for name in HEADER_FIELDS}
    assert found == {name: values for name, values in expected(stream).items() if name in HEADER_FIELDS}
    assert [text.rstrip() for row in told for text in row["netlab.text"]] == [EVENT.decode()] * 300
    assert not any(row["_ws.expert.message"] for row in told)


def test_datagrams_on_any_port_with_several_packets(tshark: Tshark, tmp_path: Path) -> None:
    payload = encode(Packet(EVENT, 1)) + encode(Packet(b"", 2)) + encode(Packet(b"[1]", 3, session=b"12345678"))
    file = write(tmp_path / "x.pcapng", [(0, datagram(payload, (5000, 5001))), (1, datagram(b"other"))])
    first, second = tshark(file, *HEADER_FIELDS, "netlab.event", "_ws.col.Protocol", "_ws.col.Info")
    assert {name: first[name] for name in HEADER_FIELDS} == {name: expected(payload)[name] for name in HEADER_FIELDS}
    assert (first["netlab.event"], first["_ws.col.Protocol"]) == (["emit"], ["netlab"])
    assert first["_ws.col.Info"] == ["data 00000001 emit say lobby: hi | data 00000002 | data 00000003"]
    assert second["_ws.col.Protocol"] != ["netlab"]


@pytest.mark.parametrize("over", ["udp", "tcp"])
def test_a_port_that_belongs_to_somebody_else(tshark: Tshark, tmp_path: Path, over: str) -> None:
    """34980 is EtherCAT's for tshark; docs/wireshark.md names the preference with which ours comes first."""
    preference = f"{over}.try_heuristic_first"
    assert preference in DOCUMENT.read_text()
    packet, ports = encode(Packet(EVENT, 1)), (34_980, 40_001)
    frame = datagram(packet, ports) if over == "udp" else tcp_segment(1, packet, ports)
    file = write(tmp_path / "x.pcapng", [(0, frame)])
    assert tshark(file, "netlab.event") == [{"netlab.event": []}]
    assert tshark(file, "netlab.event", options=["-o", f"{preference}:TRUE"]) == [{"netlab.event": ["emit"]}]


RUDP_FIELDS = [f"netlab.rudp.{field.key}" for field in segment.HEADER.fields]
RANGE_FIELDS = [f"netlab.rudp.{field.key}" for field in segment.RANGE.fields]


class Frames:
    """A tap that keeps what one point sees."""

    def __init__(self) -> None:
        self.frames: list[tuple[int, bytes]] = []

    def seen(self, point: str, at: int, frame: bytes, comment: str | None, *, outbound: bool | None) -> None:
        self.frames.append((at, frame))


def chat_over_rudp(link: str, seed: int) -> list[tuple[int, bytes]]:
    """Two people and long texts on a simulated link; what the server sees, which is what was not lost."""
    simulation, tap = seeded_simulation(seed), Frames()
    server, *clients = (simulation.host(name) for name in ("server", "ann", "bob"))
    for client in clients:
        simulation.connect(client, server, parse_link(link))
    simulation.tap("server", tap)

    async def host(over: asyncio.Event) -> None:
        hub = HubShell(entropy=seeded_entropy(str(seed), "hub"), wall_clock=lambda: 0)
        async with serve("rudp://0.0.0.0:9002", hub=hub):
            await over.wait()

    async def person(name: str) -> None:
        async with connect("rudp://server:9002", name=name, entropy=seeded_entropy(str(seed), name)) as chat:
            await chat.join("lobby")
            for number in range(8):
                await chat.emit("say", f"{number} {name * 900}", to="lobby")

    async def everybody() -> None:
        loop, over = virtual_loop(), asyncio.Event()
        serving = loop.spawn(server, host(over))
        await asyncio.gather(*(loop.spawn(client, person(client.name)) for client in clients))
        over.set()
        await serving

    run_loop(simulation, everybody())
    return tap.frames


def test_rudp_its_header_and_the_packets_of_its_streams(tshark: Tshark, tmp_path: Path) -> None:
    """Seen at the server: what was lost comes again under new numbers, and packets come in any order."""
    frames = chat_over_rudp("delay=10ms jitter=5ms loss=10% duplicate=5%", seed=5)
    names = ["ip.src", "udp.srcport", "udp.dstport", *RUDP_FIELDS, *RANGE_FIELDS, "netlab.message_id"]
    told = tshark(write(tmp_path / "x.pcapng", frames), *names, "_ws.expert.message")
    streams: dict[tuple[str, ...], dict[int, bytes]] = {}
    inner: dict[tuple[str, ...], list[str]] = {}
    compared = 0
    for (_, frame), row in zip(frames, told, strict=True):
        (packet,) = decode_all(frame[42:])
        flow = (*row["ip.src"], *row["udp.srcport"], *row["udp.dstport"])
        if packet.type is not PacketType.SEGMENT:
            continue
        ours = segment.decode(packet.payload)
        values = segment.HEADER.read(packet.payload)
        for name, value in zip(RUDP_FIELDS, values.values(), strict=True):
            assert row[name] == [f"{value:#04x}" if name.endswith(".flags") else str(value)], name
        assert row["netlab.rudp.first"] == [str(edge) for edge in ours.ranges[::2]]
        assert row["netlab.rudp.last"] == [str(edge) for edge in ours.ranges[1::2]]
        streams.setdefault(flow, {}).update(
            (ours.offset + at, bytes([byte])) for at, byte in enumerate(bytes(ours.data)) if ours.data
        )
        inner.setdefault(flow, []).extend(row["netlab.message_id"][1:])
        compared += 1
    assert compared > 100
    assert len(streams) == 4
    for flow, there in streams.items():
        stream = b"".join(there[at] for at in range(len(there)))  # with no hole: rudp has repaired every loss
        assert inner[flow] == expected(stream)["netlab.message_id"]
    assert not any("Lua" in text for row in told for text in row["_ws.expert.message"])


def test_rudp_data_that_is_sent_again_may_be_cut_elsewhere(tshark: Tshark, tmp_path: Path) -> None:
    stream = encode(Packet(EVENT, 1)) + encode(Packet(EVENT, 2))
    cuts = [(60, 150), (60, 90), (0, 40), (20, 60), (0, 40), (150, len(stream))]  # offsets [start, end) as they come

    def frame(number: int, start: int, end: int) -> bytes:
        body = segment.encode(segment.Segment(number, 0, 0, segment.ELICITS, start, 0, data=stream[start:end]))
        return datagram(encode(Packet(body, type=PacketType.SEGMENT, session=b"87654321")), (40_000, 9002))

    acknowledged = datagram(encode(Packet(b"", type=PacketType.ACK, session=b"87654321")), (9002, 40_000))
    frames = [(0, acknowledged), *((number, frame(number, *cut)) for number, cut in enumerate(cuts, 1))]
    rows = tshark(write(tmp_path / "x.pcapng", frames), "netlab.message_id", "netlab.text")
    whole = [row["netlab.message_id"][1:] for row in rows]
    assert whole == [[], [], [], [], ["0x00000001"], [], ["0x00000002"]]
    assert [text for row in rows for text in row["netlab.text"]] == [EVENT.decode()] * 2


WEBSOCKET = """
import asyncio
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

async def answer(connection):
    async for message in connection:
        await connection.send(message)

async def main():
    async with serve(answer, "127.0.0.1", 9003), connect("ws://127.0.0.1:9003", proxy=None) as connection:
        await connection.send(bytes.fromhex("{packet}"))
        await connection.recv()

asyncio.run(main())
"""


def test_a_frame_of_websocket(tshark: Tshark, tmp_path: Path, live: object) -> None:
    """Masked by the client, compressed by both, and on one of netlab's ports."""
    packet = encode(Packet(EVENT, 7))
    source = WEBSOCKET.replace("{packet}", packet.hex())
    assert capture_command([sys.executable, "-c", source], tmp_path / "x.pcapng").exit_status == 0
    told = tshark(tmp_path / "x.pcapng", *HEADER_FIELDS, "netlab.text", options=["-Y", "netlab"])
    ours = {name: values for name, values in expected(packet).items() if name in HEADER_FIELDS}
    assert told == [ours | {"netlab.text": [EVENT.decode()]}] * 2


# ---- putting messages together ---------------------------------------------------------------------------------------


def message(number: int, size: int) -> bytes:
    return b'{"type":"emit","args":["%d %s"]}' % (number, b"x" * size)


def mistreated(dice: random.Random) -> list[Packet]:
    """Fragments of many messages: lost, doubled, out of order, and some at odds with each other."""
    packets: list[Packet] = []
    for number in range(120):
        body = message(number, dice.randrange(4 * SMALL))
        part = split(body, message_id=number, max_payload=dice.choice([SMALL, SMALL + 1, 2 * SMALL]))
        fate = dice.randrange(10)
        if fate == 0 and len(part) > 1:
            del part[dice.randrange(len(part))]
        elif fate == 1 and len(part) > 1:
            bad = part[-1]
            part.append(Packet(bad.payload + b"!", bad.message_id, bad.index, bad.count))
        elif fate == 2 and len(part) > 1:
            part.append(Packet(part[0].payload, number, 0, part[0].count + 1))
        elif fate == 3 and len(part) > 1:
            part[0] = Packet(part[0].payload[: SMALL - 1], number, 0, part[0].count)
        part += dice.choices(part, k=dice.randrange(3))
        packets += part
    for at in range(len(packets)):  # near by, so that messages interleave and most are whole in time
        other = min(len(packets) - 1, at + dice.randrange(5))
        packets[at], packets[other] = packets[other], packets[at]
    return [packet for packet in packets if packet.count > 1]


def test_split_messages_are_put_together_as_ours_are(tshark: Tshark, tmp_path: Path) -> None:
    packets = mistreated(random.Random(4))
    times = [number * 20 * MS for number in range(len(packets))]
    frames = [(time, datagram(encode(packet))) for time, packet in zip(times, packets, strict=True)]
    told = tshark(
        write(tmp_path / "x.pcapng", frames), "netlab.text", "netlab.reassembled_length", "_ws.expert.message"
    )
    said = {
        "duplicate_fragment": "This fragment was here before",
        "conflicting_fragment": "came before",
        "tiny_fragment": "and not the last",
    }
    box, counts = Reassembler(), dict.fromkeys([*said, "late_fragment", "whole"], 0)
    for packet, time, row in zip(packets, times, told, strict=True):
        outputs = [out for out in box.handle(Arrived("ann", packet), time) if out.message_id == packet.message_id]
        texts, expert = [], None
        for output in outputs:
            if isinstance(output, Whole):
                texts = [output.message.decode()]
                counts["whole"] += 1
            elif isinstance(output, Dropped) and output.reason != "reassembly_timeout":
                expert = output.reason
                counts[expert] += 1
        assert row["netlab.text"] == texts
        assert row["netlab.reassembled_length"] == [str(len(text)) for text in texts]
        if expert is None:
            assert row["_ws.expert.message"] == []
        elif expert != "late_fragment":  # there ours tells no more than that it is late
            assert said[expert] in row["_ws.expert.message"][0]
        else:
            assert row["_ws.expert.message"]
    assert min(counts.values()) > 3, counts


def test_a_message_is_given_up_after_our_time(tshark: Tshark, tmp_path: Path) -> None:
    first, last = split(message(1, SMALL), message_id=1, max_payload=SMALL)
    for wait, whole in ((5 * S - 1 * MS, True), (5 * S, False)):
        frames = [(0, datagram(encode(first))), (wait, datagram(encode(last)))]
        rows = tshark(write(tmp_path / f"{wait}.pcapng", frames), "netlab.text", "_ws.expert.message")
        assert bool(rows[1]["netlab.text"]) is whole
        assert bool(rows[1]["_ws.expert.message"]) is not whole


def test_each_flow_session_and_vantage_point_has_messages_of_its_own(tshark: Tshark, tmp_path: Path) -> None:
    one = split(message(1, SMALL), message_id=1, max_payload=SMALL)
    two = split(message(2, SMALL), message_id=1, max_payload=SMALL)
    tokened = [Packet(packet.payload, 1, packet.index, packet.count, session=b"87654321") for packet in two]
    frames = [datagram(encode(packet), ports) for packet, ports in zip(one, [(5007, 9001)] * 2, strict=True)]
    frames += [datagram(encode(packet), (5008, 9001)) for packet in two]
    frames += [datagram(encode(packet), (5008, 9001)) for packet in tokened]
    blocks = [pcapng.section_header(), pcapng.interface("sender"), pcapng.interface("receiver")]
    order = [(0, 0), (0, 2), (0, 4), (1, 0), (0, 1), (0, 3), (0, 5), (1, 1)]
    blocks += [pcapng.enhanced_packet(where, time, frames[which]) for time, (where, which) in enumerate(order)]
    (tmp_path / "x.pcapng").write_bytes(b"".join(blocks))
    rows = tshark(tmp_path / "x.pcapng", "netlab.text", "_ws.expert.message")
    texts = [message(1, SMALL), message(2, SMALL), message(2, SMALL), message(1, SMALL)]
    assert [row["netlab.text"] for row in rows] == [[]] * 4 + [[text.decode()] for text in texts]
    assert not any(row["_ws.expert.message"] for row in rows)


def test_read_twice_each_fragment_says_where_its_message_is_whole(tshark: Tshark, tmp_path: Path) -> None:
    packets = split(message(1, 3 * SMALL), message_id=1, max_payload=SMALL)
    file = write(tmp_path / "x.pcapng", [(n, datagram(encode(packet))) for n, packet in enumerate(packets)])
    rows = tshark(file, "netlab.reassembled_in", "netlab.fragment", options=["-2"])
    assert [row["netlab.reassembled_in"] for row in rows] == [["4"], ["4"], ["4"], []]
    assert rows[3]["netlab.fragment"] == ["1", "2", "3", "4"]


# ---- what is wrong is said -------------------------------------------------------------------------------------------


def changed(at: int, to: int, *, count: int = 1, body: bytes = EVENT, mend: bool = True) -> bytes:
    """A packet with one byte set, its CRC that of what stands there."""
    from zlib import crc32

    data = bytearray(encode(Packet(body, 7, 0, count)))
    data[at] = to
    if mend:
        data[16:20] = crc32(bytes(data[20:]), crc32(bytes(data[:16]))).to_bytes(4, "big")
    return bytes(data)


@pytest.mark.parametrize(
    ("payload", "filter_name", "said"),
    [
        (changed(30, 0, mend=False), "crc", "The CRC-32 is wrong"),
        (changed(2, 0x20), "version", "The version is not known"),
        (changed(2, 0x1C), "type", "The type is not known"),
        (changed(3, 0x82), "flags", "Flags are set that are not known"),
        (changed(3, 0x01, body=b"123"), "token", "holds no token"),
        (changed(11, 1), "reserved", "Reserved bits are set"),
        (changed(7, 9), "fragment", "not below the count"),
        (changed(8, 9), "fragment", "more fragments than 256"),
        (encode(Packet(EVENT))[:-1], "cut_short", "longer than what is here"),
        (encode(Packet(EVENT)) + b"trailer", "left_over", "No packet begins here"),
    ],
)
def test_expert_notes(tshark: Tshark, tmp_path: Path, payload: bytes, filter_name: str, said: str) -> None:
    file = write(tmp_path / "x.pcapng", [(0, datagram(payload)), (1, datagram(encode(Packet(EVENT))))])
    name = f"netlab.expert.{filter_name}"
    bad, good = tshark(file, name, "_ws.expert.message")
    assert said in "".join(bad["_ws.expert.message"])
    assert bad[name]
    assert good["_ws.expert.message"] == []


def test_damage_in_a_stream_ends_what_is_looked_at(tshark: Tshark, tmp_path: Path) -> None:
    frames = [(0, tcp_segment(1, encode(Packet(EVENT, 1)) + b"?" * 30 + encode(Packet(EVENT, 2))))]
    (row,) = tshark(write(tmp_path / "x.pcapng", frames), "netlab.message_id", "netlab.left_over", "_ws.expert.message")
    assert row["netlab.message_id"] == ["0x00000001"]
    assert row["netlab.left_over"][0].startswith("3f3f")
    assert "No packet begins here" in row["_ws.expert.message"][0]


def test_filters_find_packets(tshark: Tshark) -> None:
    capture = recorded("chat-udp")
    for text in ('netlab.type == "hello"', "netlab.flags.session == 1", 'netlab.event == "welcome"', "netlab.crc"):
        assert tshark(capture.path, "frame.number", options=["-Y", text]), text
    assert not tshark(capture.path, "frame.number", options=["-Y", "netlab.reserved != 0"])


def test_the_filters_in_the_documents_are_filters(tshark: Tshark) -> None:
    rows = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| `")]
    filters = [text for row in rows for text in re.findall("`([^`]+)`", row.split(" | ")[0])]
    filters += [f"netlab.expert{name}" for name in re.findall(r"`(\.\w+)`", rows[-1])]
    assert len(filters) > 20
    either = " || ".join(f"({text})" for text in filters)
    assert tshark(recorded("chat-udp").path, "frame.number", options=["-Y", either])


def test_noise_is_no_trouble(tshark: Tshark, tmp_path: Path) -> None:
    dice = random.Random(9)
    frames = []
    for number in range(400):
        payload = bytearray(encode(Packet(dice.randbytes(dice.randrange(60)), number, 0, dice.choice([1, 1, 3]))))
        for _ in range(dice.randrange(4)):
            payload[dice.randrange(2, len(payload))] = dice.randrange(256)
        piece = bytes(payload[: dice.randrange(len(payload) + 1)]) if dice.random() < 0.3 else bytes(payload)
        frames.append((number, datagram(piece) if number % 2 else tcp_segment(1 + number * 100, piece)))
    rows = tshark(write(tmp_path / "x.pcapng", frames), "_ws.expert.message", "netlab.magic")
    assert len(rows) == 400
    assert not any("Lua" in text or "error" in text for row in rows for text in row["_ws.expert.message"])
