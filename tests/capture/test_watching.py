"""Packets while they pass: in a loop that runs already, and in a notebook."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import netlab.capture
from netlab.capture.files import read
from netlab.capture.live import CommandNotFound
from netlab.capture.recording import Recording
from netlab.capture.watching import RecordStream, Watch, watch
from netlab.packets.packet import Packet, encode

ECHO = """
import socket, sys
here, there = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in "ab")
for end in (here, there):
    end.bind(("127.0.0.1", 0))
for number in range(int(sys.argv[1])):
    here.sendto(b"x" * number, there.getsockname())
    there.sendto(there.recv(9000), here.getsockname())
    here.recv(9000)
if sys.argv[2:]:
    print("waiting", flush=True)
    import signal
    signal.pause()
"""


def echo(count: int, *more: str) -> list[str]:
    return [sys.executable, "-c", ECHO, str(count), *more]


class TestRecordStream:
    @staticmethod
    def recorded(count: int, **options: int) -> Iterator[bytes]:
        """The bytes that the pipe says, of `count` packets of 0, 1, 2, ... bytes of data."""
        reading, writing = os.pipe()
        devnull = [os.open(os.devnull, os.O_WRONLY) for _ in range(9)]
        recording = Recording(devnull.pop(), lambda number: devnull.pop(), application="x", live=writing, **options)
        for number in range(count):
            recording.add(10**18 + number, number, bytes(number))
        recording.close(10**18, dropped=0)
        with open(reading, "rb") as stream:
            yield stream.read()
        for file in devnull:
            os.close(file)

    @given(st.lists(st.integers(0, 4000), max_size=20))
    def test_packets_are_whole_however_the_bytes_are_cut(self, cuts: list[int]) -> None:
        for data in self.recorded(30):
            edges = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
            stream = RecordStream()
            found = [packet.record for a, b in itertools.pairwise(edges) for packet in stream.feed(data[a:b])]
            assert [(one.number, len(one.data), one.time_ns) for one in found] == [
                (n + 1, n, 10**18 + n) for n in range(30)
            ]
            assert {one.interface.name for one in found} == {"lo"}

    def test_numbers_go_on_in_the_next_file(self) -> None:
        for data in self.recorded(60, max_file=1000):
            assert data.count(b"\x0a\x0d\x0d\x0a") > 2
            assert [packet.record.number for packet in RecordStream().feed(data)] == list(range(1, 61))


@pytest.mark.usefixtures("live")
class TestWatch:
    def test_every_packet_is_given_and_then_what_it_came_to(self, tmp_path: Path) -> None:
        async def look() -> tuple[list[int | None], Watch]:
            watched = netlab.capture.watch(echo(20), tmp_path / "x.pcapng")
            return [packet.summary.payload_len async for packet in watched], watched

        sizes, watched = asyncio.run(look())
        assert sizes == [number // 2 for number in range(40)]
        assert watched.result is not None
        assert (watched.result.packets, watched.result.exit_status, watched.result.kernel_drops) == (40, 0, 0)
        assert [packet.summary.payload_len for packet in read(tmp_path / "x.pcapng")] == sizes

    def test_packets_come_while_the_command_runs_and_leaving_ends_it(self) -> None:
        async def look() -> int:
            seen = 0
            packets = aiter(watch(echo(3, "and wait"), stdout=asyncio.subprocess.DEVNULL))
            async with contextlib.aclosing(packets):
                async for packet in packets:
                    seen += packet.layers[2].protocol == "UDP"
                    if seen == 6:
                        break
            return seen

        assert asyncio.run(look()) == 6

    def test_the_loop_goes_on_meanwhile_and_cancelling_ends_it(self) -> None:
        async def look() -> tuple[int, int]:
            seen = turns = 0

            async def watching() -> None:
                nonlocal seen
                async for _ in watch(echo(2, "and wait"), stdout=asyncio.subprocess.DEVNULL):
                    seen += 1

            task = asyncio.create_task(watching())
            while seen < 4:
                turns += 1
                await asyncio.sleep(0.001)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            return seen, turns

        seen, turns = asyncio.run(look())
        assert (seen, turns > 3) == (4, True)

    def test_a_command_that_is_not_there_is_said_when_it_begins(self) -> None:
        async def look() -> None:
            async for _ in watch(["no-such-program"]):
                pass

        with pytest.raises(CommandNotFound):
            asyncio.run(look())

    def test_files_and_pipes_are_closed(self) -> None:
        async def look() -> None:
            async for _ in watch(echo(1)):
                pass

        before = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            asyncio.run(look())
        assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.slow
@pytest.mark.usefixtures("live")
def test_in_a_notebook_with_a_kernel_of_its_own(tmp_path: Path) -> None:
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    cells = [
        f"ECHO = {ECHO!r}",
        """
        import sys, netlab.capture
        watched = netlab.capture.watch([sys.executable, "-c", ECHO, "3"])
        async for packet in watched:
            print(packet.summary.payload_len, packet.layers[-1].protocol)
        print(watched.result.packets, watched.result.exit_status)
        """,
        """
        seen = 0
        async for packet in netlab.capture.watch([sys.executable, "-c", ECHO, "3", "wait"]):
            seen += 1
            if seen == 5:
                break
        print(seen)
        """,
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(textwrap.dedent(cell)) for cell in cells])
    nbclient.NotebookClient(
        notebook, timeout=60, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()
    told = ["".join(output.get("text", "") for output in cell.outputs) for cell in notebook.cells]
    assert told[1].split() == ["0", "UDP", "0", "UDP", "1", "data", "1", "data", "2", "data", "2", "data", "6", "0"]
    assert "5" in told[2].split()


def test_a_message_is_seen_as_it_passes(live: object) -> None:
    event = encode(Packet(b'{"type":"leave","op":1,"room":"lobby"}', 7))
    source = f"import socket; s = socket.socket(2, 2); s.sendto({event!r}, ('127.0.0.1', 9001))"

    async def look() -> list[str]:
        return [str(part) async for one in watch([sys.executable, "-c", source]) for part in one.summary.netlab]

    assert "data 00000007 leave in lobby" in asyncio.run(look())
