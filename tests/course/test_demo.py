"""The demo: its chat over the kernel's TCP and UDP, captured live, and what is told of it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from netlab.capture import recorded
from netlab.capture.live import Way, find_way
from netlab.course.demo_chat import GREETING, LONG_TEXT
from netlab.course.demo_story import SCHEMES, capture_chat, read_traffic
from netlab.packets import pcapng
from netlab.packets.capture_file import read_records
from tests.tshark import HEADERS_ONLY

needs_capture = pytest.mark.skipif(not isinstance(find_way(), Way), reason="no live capture can be had here")
needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")


def copies_of_texts() -> int:
    """Bytes of text that cross the network: each text goes up once, and down to everybody who is meant to hear it."""
    small = ["Loud and clear.", "Bob can't read this: he is not in the room.", "A word for you alone."]
    heard_by = [2, 1, 1]
    size = 3 * len(GREETING) + 3 * len(LONG_TEXT)
    return size + sum(len(text) * (1 + copies) for text, copies in zip(small, heard_by, strict=True))


@needs_capture
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_file_holds_what_the_sockets_counted(scheme: str, tmp_path: Path) -> None:
    episode = capture_chat(scheme, tmp_path / "chat.pcapng")
    traffic = read_traffic(episode.capture)
    assert not episode.recorded
    assert [line.heard_by for line in episode.played.lines] == [
        ["bob", "cem"],
        ["ann", "cem"],
        ["ann"],
        ["ann"],
        ["bob", "cem"],
    ]
    assert traffic.payload - traffic.repeated == episode.played.bytes_in + episode.played.bytes_out
    assert traffic.layers["text"] == copies_of_texts()
    opening = {"tcp": 6, "udp": 0}  # SYN and SYN+ACK of three connections
    assert traffic.purposes["opening"] == opening[scheme]
    assert traffic.purposes["handshake"] == {"tcp": 0, "udp": 12}[scheme]  # hello, cookie, hello, ack: three times
    assert [(piece.index, piece.count) for piece in traffic.largest] == [
        (index, {"tcp": 2, "udp": 59}[scheme]) for index in range({"tcp": 2, "udp": 59}[scheme])
    ]


@needs_capture
@needs_tshark
@pytest.mark.parametrize("scheme", SCHEMES)
def test_tshark_opens_it_without_a_malformed_packet(scheme: str, tmp_path: Path) -> None:
    episode = capture_chat(scheme, tmp_path / "chat.pcapng")
    traffic = read_traffic(episode.capture)

    def fields(*arguments: str) -> list[str]:
        command = ["tshark", "-r", str(episode.capture), *HEADERS_ONLY, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split()

    sizes = fields("-T", "fields", "-e", {"tcp": "tcp.len", "udp": "udp.length"}[scheme])
    header = {"tcp": 0, "udp": 8}[scheme]
    assert len(sizes) == traffic.frames
    assert sum(int(size) - header for size in sizes) == traffic.payload
    assert fields("-Y", "_ws.malformed || _ws.expert.severity == error") == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_recorded_captures_tell_the_same_story(scheme: str, tmp_path: Path) -> None:
    recorded.copy(f"chat-{scheme}", tmp_path / "chat.pcapng")
    traffic = read_traffic(tmp_path / "chat.pcapng")
    assert traffic.layers["text"] == copies_of_texts()
    assert traffic.greeting is not None
    assert len(traffic.largest) == {"tcp": 2, "udp": 59}[scheme]


@pytest.mark.parametrize("times", [1, 3])
def test_what_tcp_sends_again_is_counted_as_that_and_read_once(times: int, tmp_path: Path) -> None:
    """On a busy machine the kernel's timers run out before it has looked at the acknowledgement."""
    recorded.copy("chat-tcp", tmp_path / "once.pcapng")
    once = read_traffic(tmp_path / "once.pcapng")
    records = list(read_records((tmp_path / "once.pcapng").read_bytes()))
    blocks = [pcapng.section_header(), pcapng.interface("lo")]
    for record in records:
        blocks += [pcapng.enhanced_packet(0, record.time_ns or 0, record.data)] * times
    (tmp_path / "again.pcapng").write_bytes(b"".join(blocks))
    again = read_traffic(tmp_path / "again.pcapng")
    assert (again.frames, again.payload) == (times * once.frames, times * once.payload)
    assert (once.repeated, again.repeated) == (0, (times - 1) * once.payload)
    assert (again.packets, again.layers["text"]) == (once.packets, once.layers["text"])
    assert sum(again.layers.values()) == times * sum(once.layers.values())
    assert [(piece.index, piece.count, piece.size) for piece in again.largest] == [
        (piece.index, piece.count, piece.size) for piece in once.largest
    ]


def run_demo(directory: Path, *before: str) -> subprocess.CompletedProcess[str]:
    command = [*before, sys.executable, "-m", "netlab", "demo"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=60, env=environment)


def test_the_command_tells_it_in_plain_text_and_may_be_run_again(tmp_path: Path) -> None:
    for _ in range(2):
        told = run_demo(tmp_path)
        assert (told.returncode, told.stderr) == (0, "")
        assert "\x1b" not in told.stdout
        for part in (GREETING, "SYN, ACK", "cookie", "4 Transport", "netlab-demo/chat-udp.pcapng", "59 netlab packets"):
            assert part in told.stdout
        assert "__main__" not in told.stdout
    assert sorted(file.name for file in (tmp_path / "netlab-demo").iterdir()) == ["chat-tcp.pcapng", "chat-udp.pcapng"]


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_the_story_fits_the_terminal(tmp_path: Path, columns: int) -> None:
    """No line is longer: a terminal would break it in the middle of a word."""
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}  # pytest-xdist sets it
    child = pexpect.spawn(
        sys.executable,
        ["-m", "netlab", "demo"],
        cwd=tmp_path,
        env=environment | {"TERM": "xterm", "PYTHONPATH": str(Path(__file__).parents[2])},
        dimensions=(40, columns),
        encoding="utf-8",
        timeout=60,
    )
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    story, _ = child.before[child.before.index("1. One chat, twice") :].split(
        "Where it is,"
    )  # then: to be copied whole
    lines = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", story).split("\r\n")
    assert [line for line in lines if len(line) > columns] == []


@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare is not installed")
def test_where_namespaces_are_refused_the_chats_run_and_recorded_captures_are_shown(tmp_path: Path) -> None:
    """In a user namespace that allows no further ones, and whose root may not capture on the host's interfaces."""
    refuse = 'echo 0 > /proc/sys/user/max_user_namespaces; echo 0 > /proc/sys/user/max_net_namespaces; exec "$@"'
    inside = ("unshare", "-Ur", "sh", "-c", refuse, "sh")
    if subprocess.run([*inside, "true"], capture_output=True).returncode:
        pytest.skip("no user namespace to refuse others in")
    told = run_demo(tmp_path, *inside)
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.count("5 messages said, 8 heard by others") == 2
    assert told.stdout.count("recorded captures of this chat are shown") == 1
    assert "SYN, ACK" in told.stdout
