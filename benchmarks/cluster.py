"""Several servers as one: what is lost, doubled and late when a server and Redis are killed under load, and how fast it
is.

    python benchmarks/cluster.py [--clients 1000] [--seconds 10] [--only faults|speed]

Three `netlab serve --redis` share their rooms through a redis-server of this benchmark's own (appendfsync always). The
members of each room are spread over the servers; two in each room talk. Then, each for so many seconds:

    calm             nothing happens
    server killed    kill -9 of one server; its members go to the others; after half the time it is started again
    Redis killed     kill -9 of Redis, which is started again two seconds later, on the same port and data
    Redis stopped    SIGSTOP, and two seconds later SIGCONT: it keeps its connections and answers nothing
    calm again

Every member writes down what it hears and is told, every sender how each operation ended; `netlab.conformance` judges
from these logs when all is over. Delays are from the sender's call to the receiver's, on one clock.

The speed is that of `fanout.py`: one member of a room talks as fast as a window of 2,048 messages allows, and every
other member's messages are checked and counted, for one server without Redis and for 1, 2 and 3 with it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import signal
import socket
import statistics
import sys
import tempfile
from pathlib import Path

import msgspec
from fanout import NetlabTcpPeer, Room, throughput

from netlab.conformance.children import SceneFailed
from netlab.conformance.cluster import Cluster, cluster
from netlab.conformance.cluster_account import Account, Delays
from netlab.units import Ns, S

SERVERS = 3
KILLED = SERVERS - 1
MEMBERS = 20  # of a room
TALKERS = 2  # of a room
DOWN_S = 2.0
CROWD = 250  # members in one process
SPEED_CLIENTS = 100


class Phase(msgspec.Struct):
    """A part of the run: what befalls whom in it.

    Attributes:
        repaired: when the server or Redis was there again.
        late_ms: the most that the members' own processes were late.
    """

    name: str
    begin: Ns
    repaired: Ns = 0
    end: Ns = 0
    late_ms: float = 0.0


def say(text: str) -> None:
    print(f"\r{text:70}", end="" if text else "\r", file=sys.stderr, flush=True)


def now() -> Ns:
    return round(asyncio.get_running_loop().time() * 1e9)


async def last(seconds: float, text: str) -> None:
    for left in range(round(seconds), 0, -1):
        say(f"{text}, {left} s")
        await asyncio.sleep(seconds / round(seconds))


async def faults(c: Cluster, clients: int, messages: float, seconds: float) -> list[Phase]:
    """Do it; the phases."""
    assert c.redis is not None
    say(f"{clients} clients connect and join")
    began = now()
    rooms = max(1, clients // MEMBERS)
    await c.seat(clients, rooms=rooms, talkers=TALKERS, crowds=-(-clients // CROWD))
    print(f"{clients} clients connected and joined in {(now() - began) / S:.1f} s", flush=True)
    phases = [Phase("calm", now())]
    await c.late_ms()

    async def begin(name: str) -> Phase:
        phases[-1].end, phases[-1].late_ms = now(), await c.late_ms()
        await last(1, "what is under way ends")  # else it would be the next fault that it meets
        phases.append(Phase(name, now()))
        return phases[-1]

    async with c.talking(gap_ms=1e3 * rooms * TALKERS / messages):
        await last(seconds, "calm")
        phase = await begin("server killed")
        await c.servers[KILLED].kill()
        await last(seconds / 2, "a server was killed")
        await c.servers[KILLED].start()
        phase.repaired = now()
        await last(seconds / 2, "the server was started again")
        phase = await begin("Redis killed")
        await c.redis.kill()
        await last(DOWN_S, "Redis was killed")
        await c.redis.start()
        phase.repaired = now()
        await last(seconds - DOWN_S, "Redis was started again")
        phase = await begin("Redis stopped")
        c.redis.signal(signal.SIGSTOP)
        await last(DOWN_S, "Redis was stopped")
        c.redis.signal(signal.SIGCONT)
        phase.repaired = now()
        await last(seconds - DOWN_S, "Redis goes on")
        await begin("calm again")
        await last(seconds, "calm again")
        phases[-1].end, phases[-1].late_ms = now(), await c.late_ms()
    say("all that was said has to arrive")
    await c.settle()
    await c.leave()
    say("")
    return phases


def row(name: str, delays: Delays | None) -> str:
    if delays is None:
        return f"{name:46} nothing came"
    return (
        f"{name:46} {delays.deliveries:10} {delays.p50:9.1f} {delays.p99:9.1f} {delays.worst_second_p99:13.1f}"
        f" {delays.longest:9.1f}"
    )


def show(account: Account, c: Cluster, phases: list[Phase]) -> None:
    homes = [c.at_home(server) for server in range(SERVERS)]
    others = set().union(*homes[:KILLED])
    judged = {
        "server killed": ("among members of other servers", [others]),
        "Redis killed": ("within one server", homes[:KILLED]),
        "Redis stopped": ("within one server", homes[:KILLED]),
    }
    print(f"\n{'delays, ms':46} {'deliveries':>10} {'p50':>9} {'p99':>9} {'worst second':>13} {'longest':>9}")
    worst = 0.0
    for phase in phases:
        who, groups = judged.get(phase.name, ("among all", [set().union(*homes)]))
        delays = account.delays(phase.begin, phase.end, groups)
        print(row(f"{phase.name}: {who}", delays))
        if delays is not None and "killed" in phase.name:
            worst = max(worst, delays.p99)
        if phase.name.startswith("Redis"):
            print(row(f"{phase.name}: between servers too", account.delays(phase.begin, phase.end, [others])))
        outcomes = account.outcomes(phase.begin, phase.end)
        ended = ", ".join(f"{outcomes[status]} {status}" for status in ("ok", "unknown", "failed") if outcomes[status])
        print(f"    operations: {ended}; the members' own processes were up to {phase.late_ms:.0f} ms late")
        if degraded := account.turned("degraded", phase.begin, phase.end):
            first = (min(degraded.values()) - phase.begin) / S
            print(f"    {len(degraded)} members were told `degraded`, the first {first:.1f} s after the phase began")
    print()
    for phase in phases:
        show_back(account, phase, homes[KILLED])
    print(f"others' p99 while a server or Redis is killed and comes back: {worst:.0f} ms at most (aim: under 250)")
    print(
        f"{account.of_rooms('sent')} operations: {account.of_rooms('ok')} ok, {account.of_rooms('unknown')} unknown, "
        f"{account.of_rooms('failed')} failed, {account.of_rooms('unended')} without an end"
    )
    print(
        f"{len(account.deliveries)} deliveries; of what ended ok {account.total('lost')} did not come, "
        f"{account.total('told')} of them were told as gaps"
    )
    print(f"lost and not reported: {account.lost_and_not_reported} (aim: 0)")
    print(f"duplicates: {account.total('duplicates')} (aim: 0)")
    print(
        f"in another order than elsewhere: {account.of_rooms('swapped')}; numbers missing and not told: "
        f"{account.total('untold')}; told as missing, and heard: {account.total('wrongly_told')}"
    )


def show_back(account: Account, phase: Phase, homeless: set[str]) -> None:
    if phase.name == "server killed":
        back = account.back(homeless, phase.begin)
        never = sum(took is None for took in back.values())
        longest = max((took for took in back.values() if took is not None), default=0)
        print(
            f"server killed: of its {len(homeless)} members {len(back)} were cut off, and back within "
            f"{longest / S:.1f} s; {never} never (aim: 10 s)"
        )
    elif phase.repaired:
        bad = account.last_not_ok(phase.begin, phase.end)
        print(
            f"{phase.name}: "
            + (
                "every operation ended ok"
                if bad is None
                else f"the last operation that did not end ok was begun {(bad - phase.begin) / S:.1f} s later, "
                f"{(bad - phase.repaired) / S:+.1f} s from when Redis answered again (aim: 10 s)"
            )
        )


class SpreadPeer(NetlabTcpPeer):
    """Members in turn on each of several servers."""

    def __init__(self, ports: list[int]) -> None:
        self.ports = ports

    def connect(self, port: int, index: int) -> socket.socket:
        return super().connect(self.ports[index % len(self.ports)], index)


async def speed(servers: int, *, broker: bool, clients: int, seconds: float) -> float:
    """Deliveries a second."""
    with tempfile.TemporaryDirectory(prefix="netlab-cluster-") as directory:
        async with cluster(Path(directory), servers=servers, broker=broker) as c:
            ports = [int(url.rpartition(":")[2]) for url in c.urls]
            room = Room(SpreadPeer(ports), 0, clients)
            try:
                return throughput(room, seconds)
            finally:
                room.close()


def show_speed(clients: int, seconds: float, rounds: int) -> None:
    kinds = [(1, False), *((servers, True) for servers in range(1, SERVERS + 1))]
    found: dict[tuple[int, bool], list[float]] = {kind: [] for kind in kinds}
    for number in range(rounds):
        for servers, broker in kinds:
            say(f"deliveries a second, round {number + 1}: {servers} servers {'with' if broker else 'without'} Redis")
            found[servers, broker].append(asyncio.run(speed(servers, broker=broker, clients=clients, seconds=seconds)))
    say("")
    print(f"\nthousand deliveries a second, {clients} clients in one room, texts of 64 B, medians of {rounds} rounds")
    for (servers, broker), rates in found.items():
        name = f"{servers} server{'s' if servers > 1 else ''} {'with' if broker else 'without'} Redis"
        print(f"{name:30} {statistics.median(rates) / 1e3:10.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--clients", type=int, default=1000, help="for the kills")
    parser.add_argument("--messages", type=float, default=200.0, help="a second, of all talkers together")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each phase; at least 4")
    parser.add_argument("--rounds", type=int, default=3, help="of the speed")
    parser.add_argument("--only", choices=["faults", "speed"])
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the servers and Redis are to end with it
    print(f"this machine has {os.cpu_count()} cores for {SERVERS} servers, Redis and all clients together")

    async def run() -> None:
        with tempfile.TemporaryDirectory(prefix="netlab-cluster-") as directory:
            async with cluster(Path(directory), servers=SERVERS) as c:
                phases = await faults(c, options.clients, options.messages, options.seconds)
            show(Account(c.logs), c, phases)

    try:
        if options.only != "speed":
            asyncio.run(run())
        if options.only != "faults":
            show_speed(SPEED_CLIENTS, min(options.seconds, 3.0), options.rounds)
    except* SceneFailed as failed:
        raise SystemExit(f"not carried out: {failed.exceptions[0]}") from None
    except* KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
