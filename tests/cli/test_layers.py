"""`netlab layers`: a capture as lines and one packet by field, for people and for programs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from netlab.packets import ipv4, pcapng, udp
from netlab.packets.ethernet import EthernetFrame
from netlab.packets.ethernet import encode as encode_frame
from netlab.packets.packet import Packet, encode
from tests.cli.conftest import environment

HOSTILE = b'{"type":"emit","op":3,"event":"chat","to":["lobby"],"args":["hi \xe2\x80\xae \xe2\x80\xa8"]}'
LENGTH = 42 + 20 + len(HOSTILE) + 20 + 600
ADDRESS = ipv4.IPv4Address("127.0.0.1")


def frame(payload: bytes) -> bytes:
    datagram = udp.encode(udp.UdpDatagram(40_000, 9001, payload), ADDRESS, ADDRESS)
    packet = ipv4.encode(ipv4.Ipv4Packet(ADDRESS, ADDRESS, udp.PROTOCOL, datagram))
    return encode_frame(EthernetFrame(bytes(6), bytes(6), 0x0800, packet))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Three packets: a chat event and a fragment in one datagram; other data with a comment; a frame cut short."""
    event = frame(encode(Packet(HOSTILE, 7)) + encode(Packet(b"x" * 600, 8, 1, 3)))
    blocks = [
        pcapng.section_header(),
        pcapng.interface("lo\x1b"),
        pcapng.enhanced_packet(0, 10**18, event),
        pcapng.enhanced_packet(0, 10**18 + 1_500_000, frame(b"\x1b[2J"), comment="why\x1b\n"),
        pcapng.enhanced_packet(0, 10**18 + 2_000_000, event[:60], len(event)),
    ]
    path = tmp_path / "three.pcapng"
    path.write_bytes(b"".join(blocks))
    return path


def test_one_line_a_packet(netlab, file):
    done = netlab("layers", str(file))
    assert (done.returncode, done.stderr) == (0, b"")
    first, second, third = done.stdout.decode().splitlines()
    where = "127.0.0.1:40000 > 127.0.0.1:9001 UDP"
    netlab_parts = r"data 00000007 emit chat to lobby: 'hi \u202e \u2028' | data 00000008 2/3"
    assert " ".join(first.split()) == f"1 0.000000 {where} {LENGTH} B ({LENGTH - 42}) {netlab_parts}"
    assert " ".join(second.split()) == rf"2 0.001500 {where} 46 B (4) # why\x1b\n"
    assert " ".join(third.split()) == f"3 0.002000 {where} {LENGTH} B ({LENGTH - 42})"


@pytest.mark.slow
def test_in_a_terminal_a_note_is_broken_between_words(terminal, file):
    child = terminal("layers", str(file), "--packet", "1")
    child.setwinsize(40, 120)
    child.expect(pexpect.EOF)
    notes = [line for line in child.before.decode().splitlines() if line.startswith(("  * ", "    "))]
    assert any(line.startswith("  * Contested:") for line in notes)
    assert max(map(len, notes)) <= 120


def test_through_a_pipe_a_note_is_one_line(netlab, file):
    notes = [line for line in netlab("layers", str(file), "-p", "1").stdout.decode().splitlines() if "* " in line]
    assert any(len(line) > 120 and line.startswith("  * ") for line in notes)


def test_one_object_a_packet_for_programs(netlab, file):
    done = netlab("layers", str(file), "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    first, second, _ = map(json.loads, done.stdout.splitlines())
    assert (first["number"], first["time_ns"], first["protocol"], first["length"]) == (1, 10**18, "UDP", LENGTH)
    assert [part["message_id"] for part in first["netlab"]] == [7, 8]
    assert second["comment"] == "why\\x1b\\n"


def test_one_packet_by_layer_field_and_byte(netlab, file):
    done = netlab("layers", str(file), "--packet", "1")
    assert (done.returncode, done.stderr) == (0, b"")
    lines = [line.split() for line in done.stdout.decode().splitlines()]
    for line in (
        f"A Loopback frame 14 {LENGTH - 14} 2 Data Link * Link *",
        f"B IPv4 packet 20 {LENGTH - 34} 3 Network Internet",
        f"C UDP datagram 8 {LENGTH - 42} 4 Transport Transport",
        f"D netlab packet packet 20 {len(HOSTILE)} 7 Application * Application *",
        f"E chat event message - {len(HOSTILE)} 7 Application * Application *",
        "G data data - 600 7 Application Application",
        f"B IPv4 packet, bytes 14-{LENGTH - 1}: 20 B header + {LENGTH - 34} B payload",
        "14 bits 4-7 header length (IHL) 5 = 20 bytes",
        "36-37 destination port 9001",
        "54-57 message id 0x00000007",
        "* Fragment 2 of 3 of message 0x00000008.",
    ):
        assert line.split() in lines
    text = done.stdout.decode()
    assert "\\u202e" in text
    assert "\u202e" not in text
    assert "\x1b" not in text
    last = text.splitlines()[-1]
    assert last.startswith("82 bytes of header (14 Loopback + 20 IPv4 + 8 UDP + 40 netlab packet), 12 ")
    assert last.endswith(", 600 bytes of other data")


def test_one_packet_for_programs(netlab, file):
    done = netlab("layers", str(file), "--packet", "1", "--json")
    told = json.loads(done.stdout)
    assert [layer["protocol"] for layer in told["layers"]][:4] == ["Loopback", "IPv4", "UDP", "netlab packet"]
    port = next(field for field in told["layers"][2]["fields"] if field["key"] == "dport")
    assert (port["name"], port["value"], port["start"], port["end"]) == ("destination port", 9001, 36, 38)
    data = bytes.fromhex(told["bytes"])
    assert int.from_bytes(data[port["start"] : port["end"]], "big") == 9001
    sums = told["sums"]
    assert sums["header"] + sums["text"] + sums["envelope"] + sums["other"] == told["length"]


def test_hostile_bytes_are_escaped_wherever_they_stand(netlab, file):
    for number in ("1", "2", "3"):
        text = netlab("layers", str(file), "-p", number).stdout.decode()
        assert not set(text) & set("\x1b\r\u202e\u2028")


def test_places_with_names_of_different_lengths_leave_the_columns_where_they_are(netlab, tmp_path):
    blocks = [pcapng.section_header(), pcapng.interface("A"), pcapng.interface("gateway")]
    blocks += [pcapng.enhanced_packet(place, 10**18, frame(b"x" * size)) for place, size in ((0, 5), (1, 1200))]
    (tmp_path / "places").write_bytes(b"".join(blocks))
    one, other = netlab("layers", str(tmp_path / "places")).stdout.decode().splitlines()
    assert (one.index("127.0.0.1"), one.index("UDP")) == (other.index("127.0.0.1"), other.index("UDP"))


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["missing.pcapng"], 1, "missing.pcapng: No such file or directory"),
        (["."], 1, "Is a directory"),
        (["plain"], 1, "plain: neither pcap nor pcapng"),
        (["three.pcapng", "--packet", "4"], 1, "three.pcapng has no packet 4: they are 1 to 3"),
        (["three.pcapng", "--packet", "0"], 2, "'0' is no packet number"),
        (["three.pcapng", "--packet", "x"], 2, "'x' is no packet number"),
        ([], 2, "missing argument 'FILE'"),
    ],
)
def test_what_is_wrong_is_one_line(netlab, file, monkeypatch, arguments, status, said):
    monkeypatch.chdir(file.parent)
    Path("plain").write_text("no capture")
    done = netlab("layers", *arguments)
    assert (done.returncode, done.stdout) == (status, b"")
    assert len(done.stderr.splitlines()) == 1
    assert said in done.stderr.decode()


def test_a_capture_cut_short_is_shown_to_its_last_whole_packet(netlab, file):
    file.write_bytes(file.read_bytes()[:-1])
    done = netlab("layers", str(file))
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 2)
    assert b"cut short" in done.stderr


def test_an_empty_capture_says_so(netlab, tmp_path):
    (tmp_path / "x").write_bytes(pcapng.section_header() + pcapng.interface("lo"))
    done = netlab("layers", str(tmp_path / "x"))
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"holds no packets" in done.stderr


def test_who_reads_only_the_beginning_gets_no_traceback(tmp_path):
    packet = pcapng.enhanced_packet(0, 0, frame(b"x"))
    (tmp_path / "long").write_bytes(pcapng.section_header() + pcapng.interface("lo") + packet * 5000)
    command = f"{sys.executable} -m netlab layers {tmp_path / 'long'} | head -n 1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, env=environment(), timeout=30)
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == b""


def test_colours_in_a_terminal_and_none_where_they_are_not_wanted(terminal, file):
    coloured = terminal("layers", str(file), "-p", "1").read()
    assert b"\x1b[" in coloured
    plain = terminal("layers", str(file), "-p", "1", NO_COLOR="1").read()
    assert b"\x1b[" not in plain


class TestByteMap:
    def rows(self, text: str) -> list[str]:
        lines = text.splitlines()
        first = next(number for number, line in enumerate(lines) if line.startswith("0000  "))
        return lines[first : lines.index("", first)]

    def test_without_colour_letters_tell_layers_and_fields_apart(self, netlab, file):
        rows = self.rows(netlab("layers", str(file), "-p", "1").stdout.decode())
        assert rows[0] == "0000  00 00 00 00 00 00 00 00 00 00 00 00 08 00 45 00  ..............E."
        assert rows[1] == "      A---------------  A---------------  A---  BB B"
        assert rows[3] == "      B---  B---  BB -  B  B  B---  B---------  B---"
        assert rows[5] == "      b---  C---  C---  C---  C---  D---  DD D  D---"
        assert "EF" not in "".join(rows)

    def test_the_bytes_are_the_packets(self, netlab, file):
        shown = self.rows(netlab("layers", str(file), "-p", "1", "--all-bytes").stdout.decode())
        data = bytes.fromhex("".join(row[6:54] for row in shown if row[:4].strip()))
        told = json.loads(netlab("layers", str(file), "-p", "1", "--json").stdout)
        assert data.hex() == told["bytes"]

    def test_the_middle_of_long_data_is_left_out_unless_it_is_asked_for(self, netlab, file):
        short = self.rows(netlab("layers", str(file), "-p", "1").stdout.decode())
        (said,) = [row for row in short if "more bytes" in row]
        assert said.split() == ["...", "464", "more", "bytes", "of", "the", "same", "data"]
        whole = self.rows(netlab("layers", str(file), "-p", "1", "--all-bytes").stdout.decode())
        assert len(whole) == len(short) - 1 + 2 * 464 // 16

    @pytest.mark.parametrize(
        ("more", "codes"),
        [
            ({"COLORTERM": "truecolor"}, b"48;2;154;209;242"),
            ({"term": "xterm-256color"}, b"48;5;"),
            ({}, b"30;46m"),
        ],
    )
    def test_colours_are_as_many_as_the_terminal_has(self, terminal, file, more, codes):
        shown = terminal("layers", str(file), "-p", "2", **{"COLORTERM": ""} | more).read()
        assert codes in shown
        assert b"A------" not in shown

    def test_the_names_of_fields_stand_beside_where_there_is_room(self, terminal, file):
        for columns, there in ((80, False), (120, True)):
            child = terminal("layers", str(file), "-p", "2", NO_COLOR="1", COLUMNS=str(columns))
            rows = self.rows(child.read().decode().replace("\r\n", "\n"))
            assert ("destination address, source address, EtherType" in rows[0]) is there
            assert max(map(len, rows)) <= columns


class TestCompare:
    @pytest.fixture
    def both_ends(self, netlab, tmp_path):
        file = tmp_path / "x.pcapng"
        link = "loss=10% duplicate=5% delay=5ms"
        told = netlab("simulate", "reorder", "--seed", "3", "--link", link, "--capture", str(file), "--json")
        return file, json.loads(told.stdout)["links"]

    def test_a_line_for_each_packet_and_the_sums(self, netlab, both_ends):
        file, links = both_ends
        done = netlab("layers", str(file), "--compare")
        assert (done.returncode, done.stderr) == (0, b"")
        lines = done.stdout.decode().splitlines()
        there = links["gateway>server"]
        assert (
            f"gateway>server: {there['arrived']} sent, {there['delivered']} arrived, {there['dropped']['loss']} lost"
            in lines[-2]
        )
        assert sum("gateway>server: lost: lost on the way" in line for line in lines) <= there["dropped"]["loss"]
        assert sum("lost: lost on the way" in line for line in lines) > 0
        assert any(line.endswith("delayed by 5.000 ms") for line in lines)

    def test_for_programs(self, netlab, both_ends):
        file, links = both_ends
        told = [json.loads(line) for line in netlab("layers", str(file), "--compare", "--json").stdout.splitlines()]
        assert len(told) == sum(link["arrived"] for link in links.values())
        assert {"direction", "sent", "copies", "what_happened"} <= set(told[0])

    def test_what_is_wrong_is_one_line(self, netlab, file, both_ends):
        for arguments, status in (([str(file), "--compare"], 1), ([str(both_ends[0]), "--compare", "-p", "1"], 2)):
            done = netlab("layers", *arguments)
            assert (done.returncode, len(done.stderr.splitlines())) == (status, 1)
