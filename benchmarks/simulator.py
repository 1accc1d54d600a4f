"""The simulator's speed: simulated packets a second, beside simpy, ns.py and a bare heap on the same work.

    python benchmarks/simulator.py [--packets 100000] [--rounds 5]

The work: packets of 1000 bytes come at random (Poisson) and cross a router over two links of 10 Mbit/s, 5 ms and at
most 100 waiting packets each, the first at 80 % load. A packet on one link is one packet: so each counts as two. All
take the same arrivals, and must agree on how many arrive and on their mean delay.

- netlab: hosts, UDP ports, routing, links with exact accounting; no tap.
- bare heap: the same arithmetic without anything else: no hosts, packets or accounts. What Python's heap costs.
- simpy: a process for each link, and one for each packet on its way, as in the "event latency" example of its manual.
- simpy, lean: what is on its way is a bare timeout with a callback, the cheapest way that it has.
- ns.py: its own generator, ports and wires.

A round runs each once, so that a noisy machine disturbs all alike; time is the processor's. Ratios are of the same
round, their medians are printed. Peers that are not installed are skipped: `make bench` installs them. With TCP, and
beside ns-3: see dumbbell.py.
"""

from __future__ import annotations

import argparse
import functools
import gc
import heapq
import importlib.util
import random
import statistics
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from netlab.network import parse_link
from netlab.network.seeds import seeded_simulation
from netlab.units import MS, S

SIZE = 1000
RATE = 10_000_000
DELAY_MS = 5
WAITING = 100
LOAD = 0.8
LINKS = 2


def arrivals(packets: int) -> list[int]:
    """When packets come, ns."""
    rng = random.Random(1)
    now, times = 0.0, []
    for _ in range(packets):
        now += rng.expovariate(LOAD * RATE / (8 * SIZE)) * S
        times.append(round(now))
    return times


Result = tuple[int, float]
"""Packets that arrived, and their mean delay in ms."""


def netlab(times: list[int]) -> Result:
    simulation = seeded_simulation(1)
    ann, router, bob = (simulation.host(name) for name in ("ann", "router", "bob"))
    config = parse_link(f"rate={RATE}bit delay={DELAY_MS}ms queue={WAITING}packets")
    simulation.connect(ann, router, config)
    simulation.connect(router, bob, config)
    total = count = 0

    def receive(payload: bytes, source: int, port: int) -> None:
        nonlocal total, count
        total += simulation.now - int.from_bytes(payload[:8], "big")
        count += 1

    bob.bind(7, receive)
    port = ann.bind(0, lambda payload, source, port: None)
    source = iter(times)
    padding = bytes(SIZE - 28 - 8)

    def send(at: int) -> None:
        port.sendto(at.to_bytes(8, "big") + padding, bob.address, 7)
        following = next(source, None)
        if following is not None:
            simulation.call_at(following, send, following)

    first = next(source)
    simulation.call_at(first, send, first)
    simulation.run()
    return count, total / count / MS


def bare_heap(times: list[int]) -> Result:
    heap: list[tuple[int, int, Callable[[int, int], None], int]] = []
    inserted = total = count = 0
    service, delay = SIZE * 8 * S // RATE, DELAY_MS * MS
    free_at = [0] * LINKS
    starts: list[deque[int]] = [deque() for _ in range(LINKS)]

    def enter(link: int, now: int, came: int) -> None:
        nonlocal inserted
        waiting = starts[link]
        while waiting and waiting[0] <= now:
            waiting.popleft()
        if len(waiting) >= WAITING:
            return
        start = max(now, free_at[link])
        if start > now:
            waiting.append(start)
        free_at[link] = start + service
        inserted += 1
        heapq.heappush(heap, (free_at[link] + delay, inserted, (second, arrive)[link], came))

    def second(now: int, came: int) -> None:
        enter(1, now, came)

    def arrive(now: int, came: int) -> None:
        nonlocal total, count
        total += now - came
        count += 1

    source = iter(times)

    def send(now: int, came: int) -> None:
        nonlocal inserted
        enter(0, now, came)
        following = next(source, None)
        if following is not None:
            inserted += 1
            heapq.heappush(heap, (following, inserted, send, following))

    first = next(source)
    heapq.heappush(heap, (first, 0, send, first))
    while heap:
        now, _, callback, came = heapq.heappop(heap)
        callback(now, came)
    return count, total / count / MS


def with_simpy(times: list[int], *, lean: bool = False) -> Result:
    import simpy

    env = simpy.Environment()
    delays: list[float] = []
    service, delay = SIZE * 8 / RATE, DELAY_MS / 1000

    class Link:
        def __init__(self, out: Callable[[float], None]) -> None:
            self.store = simpy.Store(env)
            self.out = out
            env.process(self.run())

        def put(self, came: float) -> None:
            if len(self.store.items) < WAITING:
                self.store.put(came)

        def run(self) -> Any:
            while True:
                came = yield self.store.get()
                yield env.timeout(service)
                if lean:
                    env.timeout(delay, came).callbacks.append(lambda event: self.out(event.value))
                else:
                    env.process(self.propagate(came))

        def propagate(self, came: float) -> Any:
            yield env.timeout(delay)
            self.out(came)

    second = Link(lambda came: delays.append(env.now - came))
    first = Link(second.put)

    def source() -> Any:
        for at in times:
            yield env.timeout(at / S - env.now)
            first.put(env.now)

    env.process(source())
    env.run()
    return len(delays), statistics.fmean(delays) * 1000


def with_ns_py(times: list[int]) -> Result:
    import simpy
    from ns.packet.dist_generator import DistPacketGenerator
    from ns.packet.sink import PacketSink
    from ns.port.port import Port
    from ns.port.wire import Wire

    env = simpy.Environment()
    gaps = iter([(b - a) / S for a, b in zip([0, *times], times, strict=False)] + [1e9])
    generator = DistPacketGenerator(env, "source", lambda: next(gaps), lambda: SIZE, finish=times[-1] / S)
    sink = PacketSink(env, rec_arrivals=False)
    ports = [Port(env, RATE, qlimit=WAITING + 1) for _ in range(LINKS)]
    wires = [Wire(env, lambda: DELAY_MS / 1000) for _ in range(LINKS)]
    generator.out, ports[0].out, wires[0].out, ports[1].out, wires[1].out = (
        ports[0],
        wires[0],
        ports[1],
        wires[1],
        sink,
    )
    env.run(until=times[-1] / S + 10)
    waits = [wait for flow in sink.waits.values() for wait in flow]
    gap = statistics.fmean(b - a for a, b in zip([0, *times], times, strict=False)) / S
    return len(waits), (statistics.fmean(waits) - gap) * 1000  # its generator stamps a packet one gap before it goes


CONTESTANTS: dict[str, tuple[Callable[[list[int]], Result], str | None]] = {
    "netlab": (netlab, None),
    "bare heap": (bare_heap, None),
    "simpy": (with_simpy, "simpy"),
    "simpy, lean": (functools.partial(with_simpy, lean=True), "simpy"),
    "ns.py": (with_ns_py, "ns.port"),
}


def is_installed(module: str | None) -> bool:
    try:
        return module is None or importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--packets", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    times = arrivals(arguments.packets)
    contestants = {name: run for name, (run, module) in CONTESTANTS.items() if is_installed(module)}
    for name in CONTESTANTS.keys() - contestants.keys():
        print(f"{name}: not installed, skipped")
    speeds: dict[str, list[float]] = {name: [] for name in contestants}
    results: dict[str, Result] = {}
    for _ in range(arguments.rounds):
        for name, contestant in contestants.items():
            gc.collect()
            began = time.process_time()
            results[name] = contestant(times)
            speeds[name].append(LINKS * arguments.packets / (time.process_time() - began))
    print(f"{'':11} {'packets/s':>10} {'netlab / it':>12} {'arrived':>9} {'mean delay':>11}")
    for name, found in speeds.items():
        ratio = statistics.median(ours / its for ours, its in zip(speeds["netlab"], found, strict=True))
        count, delay = results[name]
        print(f"{name:11} {statistics.median(found):>10,.0f} {ratio:>11.2f}x {count:>9,} {delay:>8.3f} ms")
    print("aims: at least 0.25x the bare heap and 3x simpy")


if __name__ == "__main__":
    main()
