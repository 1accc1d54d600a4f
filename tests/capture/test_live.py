"""Live capture in real namespaces: nothing lost, nothing left behind, and the file is the caller's own."""

from __future__ import annotations

import asyncio
import json
import os
import select
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from netlab.capture.live import (
    CommandNotFound,
    LiveCapture,
    Unavailable,
    Way,
    capture_command,
    capture_command_async,
)
from netlab.errors import CaptureError
from netlab.packets.capture_file import read_records

TALK = """
import json, socket
server = socket.create_server(("127.0.0.1", 9000))
client = socket.create_connection(server.getsockname())
served, _ = server.accept()
sent = 0
for size in (0, 1, 1199, 70_000, 5):
    client.sendall(bytes(size)); sent += size
    got = 0
    while got < size:
        got += len(served.recv(65536))
client.close(); assert served.recv(1) == b""; served.close(); server.close()
receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); receiver.bind(("127.0.0.1", 9001))
for size in (0, 1, 1200, 40_000):
    receiver.sendto(bytes(size), receiver.getsockname()); sent += len(receiver.recv(65536))
print(json.dumps(sent))
"""

CAPTURE_TALK = f"""
import json, subprocess, sys
from netlab.capture.live import capture_command
with open("said", "w") as said:
    result = capture_command([sys.executable, "-c", {TALK!r}], "talk.pcapng", stdout=said)
assert result.exit_status == 0 and result.kernel_drops == 0 and result.failed is None, result
print(json.dumps([result.packets, result.bytes, int(open("said").read())]))
"""


def payload_len(frame: bytes) -> int:
    """TCP or UDP payload bytes of an Ethernet frame with IPv4, by their length fields."""
    assert frame[12:14] == b"\x08\x00"
    header = (frame[14] & 15) * 4
    total = int.from_bytes(frame[16:18], "big")
    transport = 14 + header
    return total - header - (8 if frame[23] == 17 else (frame[transport + 12] >> 4) * 4)


def test_the_file_holds_exactly_what_the_sockets_counted(user: Any) -> None:
    packets, size, said = user.run(CAPTURE_TALK)
    records = list(read_records((user.home / "talk.pcapng").read_bytes()))
    assert len(records) == packets
    assert sum(record.original_len for record in records) == size
    assert sum(payload_len(record.data) for record in records) == said
    times = [record.time_ns for record in records]
    assert times == sorted(times)
    assert stat.S_IMODE((user.home / "talk.pcapng").stat().st_mode) == 0o600


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_tshark_in_the_same_namespace_saw_the_same_packets(live: Way, tmp_path: Path) -> None:
    if os.geteuid() == 0 and live is not Way.NETWORK_NAMESPACE:
        pytest.skip("tshark gives up root's rights in a user namespace")
    source = f"""
import os, select, socket, subprocess
command = ["tshark", "-l", "-i", "lo", "-F", "pcapng", "-w", "-"]
shark = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
start, end = b"<first of all>", b"<last of all>"
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
one.bind(("127.0.0.1", 0))
seen = b""
while start not in seen:
    one.sendto(start, one.getsockname())
    if select.select([shark.stdout], [], [], 0.05)[0]:
        seen += os.read(shark.stdout.fileno(), 65536)
exec({TALK!r})
one.sendto(end, one.getsockname())
while end not in seen:
    seen += os.read(shark.stdout.fileno(), 65536)
shark.terminate(); shark.communicate()
open("shark.pcapng", "wb").write(seen)
"""
    result = capture_command(
        [sys.executable, "-c", source], tmp_path / "ours.pcapng", cwd=tmp_path, stdout=subprocess.DEVNULL
    )
    assert result.exit_status == 0
    ours = [record.data for record in read_records((tmp_path / "ours.pcapng").read_bytes())]
    theirs = []
    try:
        for record in read_records((tmp_path / "shark.pcapng").read_bytes()):
            theirs.append(record.data)
    except CaptureError:
        pass  # it was ended in mid-file
    assert len(theirs) > 20
    first = ours.index(theirs[0])  # it began later than we did
    assert ours[first:] == theirs


def test_a_burst_larger_than_a_socket_buffer_is_kept_whole(live: Way, tmp_path: Path) -> None:
    source = """
import socket
sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); sink.bind(("127.0.0.1", 0))
for number in range(5000):
    sink.sendto(bytes(1200), sink.getsockname())
"""
    result = capture_command([sys.executable, "-c", source], tmp_path / "burst.pcapng")
    assert (result.packets, result.kernel_drops) == (5000, 0)


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 7"], 7),
        (["sh", "-c", "kill -TERM $$"], 143),
        (["sh", "-c", "kill -9 $$"], 137),
    ],
)
def test_the_exit_status_is_passed_on(live: Way, tmp_path: Path, command: list[str], status: int) -> None:
    result = capture_command(command, tmp_path / "none.pcapng")
    assert result.exit_status == status
    assert (result.packets, result.way) == (0, live)


def test_the_user_and_the_signals_are_as_outside(user: Any) -> None:
    inside = """
import json, os, signal
interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler
hang_up = signal.getsignal(signal.SIGHUP) == signal.SIG_DFL
print(json.dumps([os.getuid(), os.getgid(), interruptible, hang_up, sorted(signal.pthread_sigmask(0, []))]))
"""
    source = f"""
import sys
from netlab.capture.live import capture_command
capture_command([sys.executable, "-c", {inside!r}], "x.pcapng")
"""
    uid, gid, interruptible, hang_up, mask = user.run(source)
    owner = user.home.stat()
    assert (uid, gid) == (owner.st_uid, owner.st_gid)
    assert (interruptible, hang_up, mask) == (True, True, [])


def test_commands_may_use_the_network_namespace_as_root_does(user: Any) -> None:
    inside = "import socket; socket.create_server(('127.0.0.1', 80)); socket.socket(socket.AF_PACKET, socket.SOCK_RAW)"
    source = f"""
import json, sys
from netlab.capture.live import capture_command
print(json.dumps(capture_command([sys.executable, "-c", {inside!r}], "x.pcapng").exit_status))
"""
    assert user.run(source) == 0


class TestTheFile:
    def test_is_never_overwritten_unasked(self, live: Way, tmp_path: Path) -> None:
        there = tmp_path / "there.pcapng"
        there.write_bytes(b"mine")
        with pytest.raises(CaptureError, match="there already: name another, or remove it"):
            capture_command(["true"], there)
        assert there.read_bytes() == b"mine"
        assert capture_command(["true"], there, force=True).exit_status == 0
        assert list(read_records(there.read_bytes())) == []

    def test_force_replaces_a_link_and_not_what_it_leads_to(self, live: Way, tmp_path: Path) -> None:
        (tmp_path / "precious").write_bytes(b"mine")
        os.link(tmp_path / "precious", tmp_path / "hard.pcapng")
        capture_command(["true"], tmp_path / "hard.pcapng", force=True)
        (tmp_path / "soft.pcapng").symlink_to(tmp_path / "precious")
        with pytest.raises(CaptureError, match="no ordinary file"):
            capture_command(["true"], tmp_path / "soft.pcapng", force=True)
        assert (tmp_path / "precious").read_bytes() == b"mine"

    @pytest.mark.parametrize(
        ("name", "said"),
        [("missing/x.pcapng", "there is no directory"), (".", "no ordinary file"), ("x" * 300, "too long")],
    )
    def test_that_cannot_be_made_is_said_before_anything_runs(self, tmp_path: Path, name: str, said: str) -> None:
        with pytest.raises(CaptureError, match=said):
            capture_command(["touch", str(tmp_path / "ran")], tmp_path / name)
        assert not (tmp_path / "ran").exists()

    def test_is_not_made_for_a_command_that_is_not_there(self, live: Way, tmp_path: Path) -> None:
        (tmp_path / "plain").write_text("no program")
        for command, status in (("no-such-program", 127), ("./no-such-program", 127), ("./plain", 126)):
            with pytest.raises(CommandNotFound) as caught:
                capture_command([command], tmp_path / "x.pcapng", cwd=tmp_path)
            assert caught.value.status == status
            assert not (tmp_path / "x.pcapng").exists()

    def test_is_continued_in_others_when_full(self, live: Way, tmp_path: Path) -> None:
        file = tmp_path / "talk.pcapng"
        result = capture_command([sys.executable, "-c", TALK], file, max_file=50_000, stdout=subprocess.DEVNULL)
        assert [path.name for path in result.files][:2] == ["talk.pcapng", "talk.2.pcapng"]
        assert len(result.files) >= 3
        kept = [record for path in result.files for record in read_records(path.read_bytes())]
        assert len(kept) == result.packets
        assert sorted(tmp_path.iterdir()) == sorted(result.files)
        assert {stat.S_IMODE(path.stat().st_mode) for path in result.files} == {0o600}

    def test_goes_on_in_the_same_where_the_next_cannot_be_made(self, live: Way, tmp_path: Path) -> None:
        (tmp_path / "talk.2.pcapng").write_bytes(b"mine")
        result = capture_command(
            [sys.executable, "-c", TALK], tmp_path / "talk.pcapng", max_file=50_000, stdout=subprocess.DEVNULL
        )
        assert (tmp_path / "talk.2.pcapng").read_bytes() == b"mine"
        assert result.files == (tmp_path / "talk.pcapng",)
        assert len(list(read_records(result.files[0].read_bytes()))) == result.packets

    def test_ends_with_its_last_whole_record_when_the_disk_is_full(self, user: Any) -> None:
        source = f"""
import json, resource, sys
from netlab.capture.live import capture_command
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
result = capture_command([sys.executable, "-c", {TALK!r}], "x.pcapng")
print(json.dumps([result.exit_status, result.failed]))
"""
        status, failed = user.run(source)
        assert (status, failed) == (0, "File too large")
        assert len((user.home / "x.pcapng").read_bytes()) <= 20_000
        list(read_records((user.home / "x.pcapng").read_bytes()))


FAMILY = """
import os, socket, subprocess, sys
patient = "import signal; signal.signal(15, signal.SIG_IGN); print(flush=True); signal.pause()"
grandchild = subprocess.Popen([sys.executable, "-c", patient], stdout=subprocess.PIPE, start_new_session=True)
grandchild.stdout.readline()
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
one.bind(("127.0.0.1", 0))
one.sendto(b"hello", one.getsockname())
print(os.getppid(), os.getpid(), grandchild.pid, flush=True)
"""
CAPTURE_FAMILY = f"""
import sys
from netlab.capture.live import capture_command
capture_command([sys.executable, "-c", {FAMILY + "input()"!r}], "family.pcapng")
"""


def wait_until_gone(pids: list[int]) -> None:
    for pid in pids:
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            assert select.select([handle], [], [], 10)[0], f"process {pid} is still there"
        finally:
            os.close(handle)


class TestNothingIsLeftBehind:
    @pytest.mark.slow
    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
    def test_when_the_caller_dies(self, user: Any, number: int) -> None:
        pipe = subprocess.PIPE
        with user.start(CAPTURE_FAMILY, stdin=pipe, stdout=pipe, stderr=pipe) as caller:
            assert caller.stdout
            pids = [int(word) for word in caller.stdout.readline().split()]
            assert len(pids) == 3
            network = os.readlink(f"/proc/{pids[1]}/ns/net")
            assert network != os.readlink("/proc/self/ns/net")
            held = os.open(f"/proc/{pids[1]}/ns/net", os.O_RDONLY)  # or another test's network may get its number
            caller.send_signal(number)
            wait_until_gone([caller.pid, *pids])
        records = list(read_records((user.home / "family.pcapng").read_bytes()))
        assert [record.data[-5:] for record in records] == [b"hello"]
        for entry in Path("/proc").glob("[0-9]*/ns/net"):
            try:
                assert os.readlink(entry) != network
            except OSError:
                continue
        os.close(held)

    @pytest.mark.slow
    def test_when_the_capturing_process_is_killed(self, user: Any) -> None:
        pipe = subprocess.PIPE
        with user.start(CAPTURE_FAMILY, stdin=pipe, stdout=pipe, stderr=pipe) as caller:
            assert caller.stdout
            assert caller.stderr
            sensor, command, grandchild = (int(word) for word in caller.stdout.readline().split())
            os.kill(sensor, signal.SIGKILL)
            wait_until_gone([caller.pid, sensor, command, grandchild])
            assert "the capturing process ended before its time" in caller.stderr.read()

    @pytest.mark.slow
    def test_of_what_a_command_started_and_did_not_wait_for(self, live: Way, tmp_path: Path) -> None:
        with open(tmp_path / "said", "w") as said:
            result = capture_command([sys.executable, "-c", FAMILY], tmp_path / "x.pcapng", stdout=said)
        assert result.exit_status == 0
        _, command, grandchild = map(int, (tmp_path / "said").read_text().split())
        for pid in (command, grandchild):
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)

    def test_by_a_capture_that_is_cancelled(self, live: Way, tmp_path: Path) -> None:
        async def main() -> None:
            read, write = os.pipe()
            with os.fdopen(read) as said, os.fdopen(write, "w") as saying:
                command = [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(99)"]
                work = asyncio.create_task(capture_command_async(command, tmp_path / "x.pcapng", stdout=saying))
                pid = int(await asyncio.to_thread(said.readline))
                work.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await work
                with pytest.raises(ProcessLookupError):
                    os.kill(pid, 0)
            list(read_records((tmp_path / "x.pcapng").read_bytes()))

        asyncio.run(main())

    def test_of_descriptors(self, live: Way, tmp_path: Path) -> None:
        capture_command(["true"], tmp_path / "warm.pcapng")
        before = sorted(os.listdir("/proc/self/fd"))
        capture_command(["true"], tmp_path / "x.pcapng")
        assert sorted(os.listdir("/proc/self/fd")) == before

    def test_to_a_command_but_its_own_three_streams(self, live: Way, tmp_path: Path) -> None:
        source = "import os, sys; sys.exit(len(os.listdir('/proc/self/fd')))"
        result = capture_command([sys.executable, "-c", source], tmp_path / "x.pcapng")
        assert result.exit_status == 4  # 0, 1, 2 and that of the directory itself


def test_awaited_the_loop_goes_on(live: Way, tmp_path: Path) -> None:
    async def main() -> int:
        server = await asyncio.create_subprocess_exec("true")  # another user of child processes
        result = await capture_command_async(["sh", "-c", "exit 3"], tmp_path / "x.pcapng")
        return result.exit_status + await server.wait()

    assert asyncio.run(main()) == 3


def test_stop_is_heard_by_a_stopped_command(live: Way, tmp_path: Path) -> None:
    with LiveCapture(["sh", "-c", "kill -STOP $$; exit 5"], tmp_path / "x.pcapng") as capture:
        capture.stop()
        assert capture.wait().exit_status in (5, 128 + signal.SIGTERM)


@pytest.mark.skipif(os.geteuid() != 0 if hasattr(os, "geteuid") else True, reason="needs root")
def test_root_without_namespaces_captures_on_the_host(tmp_path: Path) -> None:
    source = """
import os, socket
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); one.bind(("127.0.0.1", 0))
one.sendto(b"over the host's own loopback", one.getsockname())
"""
    with LiveCapture([sys.executable, "-c", source], tmp_path / "x.pcapng", ways=[Way.HOST]) as capture:
        result = capture.wait()
    assert result.way is Way.HOST
    found = [r for r in read_records((tmp_path / "x.pcapng").read_bytes()) if r.data.endswith(b"host's own loopback")]
    assert len(found) == 1  # AF_PACKET sees it leave and come in


def test_no_way_at_all_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as caught:
        capture_command(["true"], tmp_path / "x.pcapng", ways=[])
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "x.pcapng").exists()


@pytest.mark.skipif(shutil.which("unshare") is None, reason="util-linux's unshare is not installed")
def test_a_machine_that_allows_no_namespaces_is_explained(user: Any) -> None:
    source = "import json; from netlab.capture.live import find_way; print(json.dumps(str(find_way())))"
    without_rights = "setpriv --bounding-set=-all --inh-caps=-all"
    script = f'echo 0 > /proc/sys/user/max_user_namespaces && exec {without_rights} "$0" -c "$1"'
    command = ["unshare", "-Ur", "sh", "-c", script, user.python, source]
    with user.popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    said = json.loads(out)
    assert "user.max_user_namespaces is 0" in said
    assert "sysctl -w user.max_user_namespaces=" in said
