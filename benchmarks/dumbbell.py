"""The simulator's speed with TCP: link transmissions a second, beside ns.py and ns-3 on the same dumbbell.

    python benchmarks/dumbbell.py [--seconds 30] [--rounds 3] [--ns3 PYTHON]

The work: one TCP sends all it can for so many simulated seconds through a router, over two links of 10 Mbit/s, 5 ms
and at most 100 waiting packets each. A packet on one link is one transmission, acknowledgements too. All must fill the
link; how many segments and acknowledgements that takes is each TCP's own business (ns.py's has segments of 512 bytes),
so the speed is told by the transmission, and goodput beside it.

- netlab: its own TCP, whole: every option of its `linux` profile, CUBIC; no tap.
- ns.py: its TCP generator and sink, which model a window and acknowledgements, not segments and options; CUBIC.
- ns-3: C++, its TCP with NewReno. `--ns3` names the interpreter of a venv where `pip install ns3` was done.

Time is the processor's, without setting up. A round runs each once; ratios are of the same round, medians are printed.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from simulator import is_installed

from netlab.network import parse_link
from netlab.network.seeds import seeded_simulation
from netlab.network.virtual_loop import run, virtual_loop

RATE = 10_000_000
DELAY_MS = 5
WAITING = 100
PORT = 9
BLOCK = bytes(64 * 1024)

Result = tuple[int, float, int]
"""Link transmissions, processor seconds, bytes that arrived."""


def netlab(seconds: float) -> Result:
    simulation = seeded_simulation(1)
    ann, router, bob = (simulation.host(name) for name in ("ann", "router", "bob"))
    config = parse_link(f"rate={RATE}bit delay={DELAY_MS}ms queue={WAITING}packets")
    simulation.connect(ann, router, config)
    simulation.connect(router, bob, config)
    arrived = 0

    class Sink(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            nonlocal arrived
            arrived += len(data)

    class Source(asyncio.Protocol):
        def __init__(self) -> None:
            self.room = asyncio.Event()
            self.room.set()

        def pause_writing(self) -> None:
            self.room.clear()

        def resume_writing(self) -> None:
            self.room.set()

    async def send() -> None:
        loop = asyncio.get_running_loop()
        transport, source = await loop.create_connection(Source, "bob", PORT)
        while True:
            transport.write(BLOCK)
            await source.room.wait()

    async def main() -> None:
        loop = virtual_loop()
        with loop.on(bob):
            await loop.create_server(Sink, "0.0.0.0", PORT)
        sending = loop.spawn(ann, send())
        await asyncio.sleep(seconds)
        sending.cancel()

    began = time.process_time()
    run(simulation, main())
    took = time.process_time() - began
    return sum(channel.link.account.delivered for channel in simulation.channels.values()), took, arrived


def with_ns_py(seconds: float) -> Result:
    import simpy
    from ns.flow.cubic import TCPCubic
    from ns.flow.flow import AppType, Flow
    from ns.packet.tcp_generator import TCPPacketGenerator
    from ns.packet.tcp_sink import TCPSink
    from ns.port.port import Port
    from ns.port.wire import Wire

    env = simpy.Environment()
    flow = Flow(
        fid=0,
        src="ann",
        dst="bob",
        size=10**12,
        finish_time=seconds,
        typ=AppType.BULK_TRANSFER,
    )
    sender = TCPPacketGenerator(env, flow=flow, cc=TCPCubic(), element_id="ann")
    sink = TCPSink(env, rec_waits=False)
    ports = [Port(env, RATE, qlimit=WAITING) for _ in range(4)]
    wires = [Wire(env, lambda: DELAY_MS / 1000) for _ in range(4)]
    for port, wire in zip(ports, wires, strict=True):
        port.out = wire
    sender.out, wires[0].out, wires[1].out = ports[0], ports[1], sink
    sink.out, wires[2].out, wires[3].out = ports[2], ports[3], sender
    began = time.process_time()
    env.run(until=seconds)
    took = time.process_time() - began
    return sum(wire.packets_rec for wire in wires), took, sum(sink.bytes_received.values())


def with_ns_3(python: str, seconds: float) -> Result:
    script = Path(__file__).with_name("dumbbell_ns3.py")
    done = subprocess.run([python, script, str(seconds)], capture_output=True, text=True, check=True)
    transmissions, took, arrived = json.loads(done.stdout.splitlines()[-1])
    return transmissions, took, arrived


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ns3", metavar="PYTHON", help="an interpreter that has ns-3")
    arguments = parser.parse_args()
    contestants: dict[str, Callable[[float], Result]] = {"netlab": netlab}
    if is_installed("ns.port"):
        contestants["ns.py"] = with_ns_py
    if arguments.ns3:
        contestants["ns-3"] = lambda seconds: with_ns_3(arguments.ns3, seconds)
    speeds: dict[str, list[float]] = {name: [] for name in contestants}
    results: dict[str, Any] = {}
    for _ in range(arguments.rounds):
        for name, contestant in contestants.items():
            gc.collect()
            results[name] = transmissions, took, _ = contestant(arguments.seconds)
            speeds[name].append(transmissions / took)
    print(f"{'':8} {'transmissions/s':>15} {'netlab / it':>12} {'transmissions':>14} {'goodput':>14}")
    for name, found in speeds.items():
        ratio = statistics.median(ours / its for ours, its in zip(speeds["netlab"], found, strict=True))
        transmissions, _, arrived = results[name]
        goodput = arrived * 8 / arguments.seconds / 1e6
        print(
            f"{name:8} {statistics.median(found):>15,.0f} {ratio:>11.2f}x {transmissions:>14,} {goodput:>7.2f} Mbit/s"
        )
    print("aims: at least 5x ns.py and 1.5x ns-3")


if __name__ == "__main__":
    main()
