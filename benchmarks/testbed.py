"""The testbed and the proxy: how exact their times are, how much passes, and whether the kernel's congestion controls
do on the testbed's link what they do on such a link.

    python benchmarks/testbed.py [--part delay,proxy,load,idle,control] [--runs 10]

- delay: round trips of datagrams through the testbed, 200 a run, over links of 0, 5, 20 and 50 ms each way. What is
  printed is by how much they took longer than was asked for, at p50 and at p99 of a run: the median of the runs, the
  least and the most.
- proxy: the same through the UDP proxy, beside a proxy made of asyncio's timers.
- load: kernel TCP at MTU 1500, and datagrams in frames of 64 bytes, over a perfect link with its accounting; and the
  same through the same loop without the link, which only takes frames and sends them on. Below, what the link object
  itself costs a packet.
- idle: how much of a processor they take while nothing passes.
- control: the goodput of this kernel's Reno, CUBIC and BBR at 1 % loss, a round trip of 40 ms and 10 Mbit/s.

Aims on a quiet machine: 0.5 ms at p50 and 1.5 ms at p99; 400 Mbit/s and 20,000 packets/s; Reno and CUBIC 2 to 4 Mbit/s,
BBR over 7. How quiet it was is printed behind each part.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from netlab.network.link import Link
from netlab.network.link_options import parse_link
from netlab.network.proxy import UdpProxy
from netlab.network.seeds import seeded_streams
from netlab.network.testbed import CannotBuild, Result, Testbed
from netlab.network.testbed_wire import ADDRESSES

HOSTS = Path(__file__).with_name("testbed_hosts.py")
PEER = ADDRESSES["B"]
PROBES = 200
LOAD_S = 3
IDLE_S = 3
CONTROL_S = 15
CONTROLS = ("reno", "cubic", "bbr")


class Bare(Testbed):
    """Without a link."""

    module = "testbed_bare"


def measured(bed: type[Testbed], link: str, peer: list[Any], command: list[Any], **how: Any) -> tuple[Any, Result]:
    """What one of the two roles wrote to the file that is called FILE here."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "found"
        there, here = (
            [sys.executable, str(HOSTS), *(str(file if word == "FILE" else word) for word in words)]
            for words in (peer, command)
        )
        result = bed(here, parse_link(link), peer=there, **how).run()
        if not file.exists():
            raise SystemExit(
                f"{' '.join(map(str, command))}: exit status {result.exit_status}, and nothing was measured"
            )
        return json.loads(file.read_text()), result


def spread(values: list[float], form: str) -> str:
    """The median, and between what it lies."""
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


HEADING = f"  {'each way':>8}  {'p50':>24}  {'p99':>24}  lost"
DELAYS_MS = (0, 5, 20, 50)


def delay(runs: int) -> Iterator[str]:
    yield f"round trips through the testbed longer than asked for, ms: median of {runs} runs (least to most)"
    yield HEADING
    for ms in DELAYS_MS:
        command = ["probe", PEER, 7000, PROBES, "FILE"]
        yield over(ms, [measured(Testbed, f"delay={ms}ms", ["echo"], command)[0] for _ in range(runs)])


def over(ms: int, runs: list[list[int]]) -> str:
    """By how much round trips took longer than twice so many ms."""
    halves, tails, lost = [], [], 0
    for trips in runs:
        longer = sorted(trip / 1e6 - 2 * ms for trip in trips)
        lost += PROBES - len(longer)
        halves.append(longer[len(longer) // 2])
        tails.append(longer[len(longer) * 99 // 100])
    return f"  {ms:>5} ms  {spread(halves, '.2f'):>24}  {spread(tails, '.2f'):>24}  {lost:>4}"


def proxy(runs: int) -> Iterator[str]:
    runs = max(1, min(runs, 5))
    with started("echo", 0) as server:
        yield f"through the UDP proxy: median of {runs} runs (least to most)"
        yield HEADING
        for ms in DELAYS_MS:
            link, streams = parse_link(f"delay={ms}ms"), seeded_streams(1)
            with UdpProxy(("127.0.0.1", 0), ("127.0.0.1", server), streams, to_server=link) as ours:
                yield over(ms, [probed(ours.address[1]) for _ in range(runs)])
        yield "through a proxy of asyncio's timers"
        for ms in DELAYS_MS:
            with started("timers", server, ms) as theirs:
                yield over(ms, [probed(theirs) for _ in range(runs)])


def probed(port: int) -> list[int]:
    """Round trips through a port of this machine, ns."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "found"
        subprocess.run(
            [sys.executable, str(HOSTS), "probe", "127.0.0.1", str(port), str(PROBES), str(file)], check=True
        )
        trips: list[int] = json.loads(file.read_text())
    return trips


@contextlib.contextmanager
def started(role: str, *words: Any) -> Iterator[int]:
    """A server of this machine; its port."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "port"
        process = subprocess.Popen([sys.executable, str(HOSTS), role, *map(str, words), str(file)])
        try:
            while not file.exists():
                time.sleep(0.01)
            yield json.loads(file.read_text())
        finally:
            process.kill()
            process.wait()


def idle(runs: int) -> Iterator[str]:
    link, streams = parse_link("delay=20ms"), seeded_streams(1)
    with (
        started("echo", 0) as server,
        UdpProxy(("127.0.0.1", 0), ("127.0.0.1", server), streams, to_server=link) as ours,
    ):
        probed(ours.address[1])
        before = time.process_time()
        time.sleep(IDLE_S)
        yield f"the proxy with nothing to carry: {(time.process_time() - before) / IDLE_S:.2%} of a processor"
    with Testbed([sys.executable, str(HOSTS), "rest", str(IDLE_S + 2)], link) as bed, ThreadPoolExecutor(1) as pool:
        running = pool.submit(bed.run)
        time.sleep(1)
        pid = bed.pid
        before = processor_s(pid)
        time.sleep(IDLE_S)
        yield f"the testbed with nothing to carry: {(processor_s(pid) - before) / IDLE_S:.2%} of a processor"
        running.result()


def processor_s(pid: int) -> float:
    """What a process has had of processors, s (utime and stime of proc_pid_stat(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Others:
    """What else went on from now on: what other programs took of the processors, and the host of this machine of it."""

    def __init__(self) -> None:
        self._began = self._look()

    def __str__(self) -> str:
        at, busy, own, stolen = (now - then for now, then in zip(self._look(), self._began, strict=True))
        share = max(0.0, busy - own) / (at * (os.cpu_count() or 1))
        return f"other programs took {share:.0%} of the processors meanwhile, the machine's host {stolen:.2f} s"

    @staticmethod
    def _look() -> tuple[float, float, float, float]:
        user, nice, system, _, _, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
        ticks = os.sysconf("SC_CLK_TCK")
        own = sum(os.times()[:4])  # with that of the children that have ended
        return time.monotonic(), (user + nice + system + irq + softirq) / ticks, own, steal / ticks


def load(runs: int) -> Iterator[str]:
    rounds = max(1, min(runs, 5))
    yield f"what passes: median of {rounds} rounds (least to most)"
    beds: dict[str, type[Testbed]] = {"with the link": Testbed, "bare loop": Bare}
    found: dict[tuple[str, str], list[float]] = {}
    for _ in range(rounds):
        for name, bed in beds.items():
            bits, _ = measured(bed, "", ["sink", "FILE"], ["source", PEER, LOAD_S])
            packets, _ = measured(bed, "", ["count", "FILE"], ["flood", PEER, LOAD_S])
            found.setdefault((name, "Mbit/s of TCP"), []).append(bits / 1e6)
            found.setdefault((name, "packets/s of 64 bytes"), []).append(packets)
    for what in ("Mbit/s of TCP", "packets/s of 64 bytes"):
        ours, bare = (found[name, what] for name in beds)
        for name in beds:
            yield f"  {name:>14}  {spread(found[name, what], ',.0f'):>32} {what}"
        ratios = [mine / its for mine, its in zip(ours, bare, strict=True)]
        yield f"  {'ratio':>14}  {spread(ratios, '.2f'):>32}"
    yield f"the link object with its accounting: {spread([link_us() for _ in range(5)], '.2f')} us a packet"


def link_us() -> float:
    """Microseconds of a processor that a perfect link takes for one packet to pass."""
    link: Link[bytes] = Link(parse_link(""), seeded_streams(1))
    frame, packets = bytes(1514), 50_000
    began = time.thread_time_ns()
    for now in range(packets):
        link.arrive(frame, 1500, now)
    return (time.thread_time_ns() - began) / packets / 1000


def control(runs: int) -> Iterator[str]:
    runs = max(1, min(runs, 5))
    link = "loss=1% delay=20ms rate=10mbit"
    here = Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text().split()
    yield f"goodput at {link}, each way, {CONTROL_S} s: median of {runs} runs (least to most)"

    def one(name: str, seed: int) -> float:
        peer, command = ["sink", "FILE"], ["source", PEER, CONTROL_S]
        return float(measured(Testbed, link, peer, command, congestion=name, seed=seed)[0]) / 1e6

    with ThreadPoolExecutor(len(CONTROLS)) as pool:  # side by side: at 10 Mbit/s they take little of a processor
        found: dict[str, list[float]] = {name: [] for name in CONTROLS if name in here}
        for seed in range(runs):
            for name, bits in zip(found, pool.map(one, found, [seed] * len(found)), strict=True):
                found[name].append(bits)
    for name in CONTROLS:
        yield f"  {name:>8}  {spread(found[name], '.1f') + ' Mbit/s' if name in found else 'not in this kernel'}"


PARTS = {"delay": delay, "proxy": proxy, "load": load, "idle": idle, "control": control}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", default=",".join(PARTS), help="which, separated by commas")
    parser.add_argument("--runs", type=int, default=10)
    options = parser.parse_args()
    for name in options.part.split(","):
        others = Others()
        try:
            for line in PARTS[name](options.runs):
                print(line, flush=True)
        except CannotBuild as error:
            print(f"{name}: no testbed here: {error}")
        print(f"  ({others})", flush=True)


if __name__ == "__main__":
    main()
