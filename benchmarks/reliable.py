"""Much data over reliable datagrams, beside what others do: ENet and KCP (both C), QUIC (aioquic) and the kernel's TCP.

    python benchmarks/reliable.py [--part loopback,proxy,link,share] [--rounds 3] [--mb 20]

- loopback: straight over 127.0.0.1.
- proxy: through netlab's UDP proxy, 10 ms each way, dropping in both directions; the kernel's TCP, which a proxy would
  shield from loss, in the testbed on the same link.
- link: where the link's rate is the limit, rudp and the kernel's TCP in the testbed, with the same congestion control.
- share: two flows of rudp and one of the kernel's TCP on one bottleneck, all with the same control; Jain's index.

Goodput is of the data, from the first byte to the receiver's word that it has the last; `cost` is bytes that went into
the link (IP headers included) for each byte of data; cpu is of both ends, seconds a gigabyte. A round runs everybody
once, so that a noisy machine disturbs all alike; medians of the rounds, and ratios of the same round, are printed. rudp
and QUIC run on uvloop, but for BBR. Who is slow is given less data: what takes minutes tells no more.

BBR is the draft's, which takes more than 2 % of loss for a full queue; the kernel's may be the first version, which
takes no loss for anything.

Aims: at least 4 times aioquic over loopback; with BBR at 1 and 5 % at least 3 times aioquic and KCP with its control,
and ahead of ENet; at least 0.9 of kernel CUBIC or BBR where the link is the limit; Jain above 0.85, all CUBIC.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from netlab.network.link_options import parse_link
from netlab.network.proxy import TO_SERVER, UdpProxy
from netlab.network.seeds import seeded_streams
from netlab.network.testbed import CannotBuild, Testbed
from netlab.network.testbed_wire import ADDRESSES

PEERS = Path(__file__).with_name("reliable_peers.py")
HERE, THERE = "127.0.0.1", ADDRESSES["B"]
PORT = 7300
AT_MOST_S = 120
QUIETLY = ["sh", "-c", 'exec "$@" >/dev/null', "sh"]

LOSSES = ("0%", "1%", "5%")
LESS = {("kcp", "1%"): 0.15, ("kcp", "5%"): 0.05, ("quic", "1%"): 0.3, ("quic", "5%"): 0.1, ("rudp cubic", "5%"): 0.3,
        ("rudp cubic", "1%"): 0.5, ("tcp cubic", "1%"): 0.5, ("tcp cubic", "5%"): 0.1}  # fmt: skip
"""Share of the data that the slow are given."""


class Found(msgspec.Struct):
    """One transfer: MB/s, seconds of a processor a GB, bytes sent for each byte delivered (0: not counted)."""

    goodput: float
    cpu: float
    cost: float = 0


def command(*words: Any) -> list[str]:
    return [sys.executable, str(PEERS), *map(str, words)]


def split(name: str) -> tuple[str, list[str]]:
    """`rudp bbr` as protocol and options."""
    protocol, _, control = name.partition(" ")
    return protocol, ["--control", control] if control else []


def here(name: str, mb: float, link: str | None, seed: int) -> Found:
    """A transfer on this machine, through the proxy where there is a link."""
    protocol, options = split(name)
    port = PORT if protocol == "enet" else 0  # which does not tell its port
    with subprocess.Popen(command("serve", protocol, HERE, port), stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        try:
            port = json.loads(server.stdout.readline())["port"]
            if link is None:
                sent, cost = transfer(protocol, port, mb, options), 0.0
            else:
                with UdpProxy((HERE, 0), (HERE, port), seeded_streams(seed), to_server=parse_link(link)) as proxy:
                    sent = transfer(protocol, proxy.address[1], mb, options)
                    cost = proxy.accounts[TO_SERVER].bytes_arrived / (mb * 1e6)
            received = json.loads(server.communicate(timeout=AT_MOST_S)[0].splitlines()[-1])
        finally:
            server.kill()
    return Found(mb / sent["seconds"], (sent["cpu"] + received["cpu"]) / mb * 1000, cost)


def transfer(protocol: str, port: int, mb: float, options: list[str]) -> dict[str, Any]:
    done = subprocess.run(
        command("send", protocol, HERE, port, "--mb", mb, *options), capture_output=True, timeout=AT_MOST_S, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def in_testbed(name: str, mb: float, link: str, seed: int) -> Found:
    """A transfer between two hosts of the testbed."""
    protocol, options = split(name)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "sent"
        bed = Testbed(
            command("send", protocol, THERE, PORT, "--mb", mb, "--out", file, *options),
            parse_link(link),
            peer=[*QUIETLY, *command("serve", protocol, THERE, PORT)],
            seed=seed,
        )
        result = bed.run()
        if not file.exists():
            raise SystemExit(f"{name} in the testbed: exit status {result.exit_status}")
        sent = json.loads(file.read_text())
    arrived = result.accounts["A>B"].bytes_arrived
    return Found(mb / sent["seconds"], sent["cpu"] / mb * 1000, arrived / (mb * 1e6))


def median(values: list[float]) -> float:
    return statistics.median(values)


def table(found: dict[str, list[Found]], mb: dict[str, float]) -> Iterator[str]:
    yield f"  {'':<22}{'MB':>6}  {'MB/s':>8}  {'least':>7} {'most':>7}  {'cpu s/GB':>8}  {'cost':>5}"
    for name, runs in found.items():
        goodputs = [run.goodput for run in runs]
        cost = median([run.cost for run in runs])
        yield (
            f"  {name:<22}{mb[name]:>6.3g}  {median(goodputs):>8.3g}  {min(goodputs):>7.3g} {max(goodputs):>7.3g}"
            f"  {median([run.cpu for run in runs]):>8.3g}  {f'{cost:.2f}' if cost else '':>5}"
        )


def ratios(found: dict[str, list[Found]], ours: str, aims: dict[str, float]) -> Iterator[str]:
    """Ours against others, each within its round."""
    for other, aim in aims.items():
        if ours in found and other in found:
            pairs = zip(found[ours], found[other], strict=True)
            ratio = median([mine.goodput / its.goodput for mine, its in pairs])
            yield f"  {ours} / {other}: {ratio:.2f} (aim {aim:g}{'' if ratio >= aim else ', NOT reached'})"


def loopback(rounds: int, mb: float) -> Iterator[str]:
    names = ("rudp cubic", "quic", "enet", "kcp", "kcp-uncontrolled", "tcp")
    yield f"straight over loopback, {rounds} rounds"
    found: dict[str, list[Found]] = {name: [] for name in names}
    for seed in range(rounds):
        for name in names:
            found[name].append(here(name, mb, None, seed))
    yield from table(found, dict.fromkeys(names, mb))
    yield from ratios(found, "rudp cubic", {"quic": 4})


def proxy(rounds: int, mb: float) -> Iterator[str]:
    through = ("rudp bbr", "rudp cubic", "quic", "enet", "kcp", "kcp-uncontrolled")
    across = ("tcp cubic", "tcp bbr")
    for loss in LOSSES:
        link = "delay=10ms" if loss == "0%" else f"delay=10ms loss={loss}"
        yield f"{link}, each way, {rounds} rounds; tcp in the testbed"
        found: dict[str, list[Found]] = {name: [] for name in (*through, *across)}
        sizes = {name: mb * LESS.get((name, loss), 1) for name in found}
        for seed in range(rounds):
            for name in through:
                found[name].append(here(name, sizes[name], link, seed))
            for name in across:
                found[name].append(in_testbed(name, sizes[name], link, seed))
        yield from table(found, sizes)
        if loss != "0%":
            yield from ratios(found, "rudp bbr", {"quic": 3, "kcp": 3, "enet": 1})


def link(rounds: int, mb: float) -> Iterator[str]:
    for rate, share in (("10mbit", 0.4), ("50mbit", 1.0)):
        options = f"rate={rate} delay=10ms queue=100packets"
        yield f"{options}, each way, in the testbed, {rounds} rounds"
        found: dict[str, list[Found]] = {f"{who} {cc}": [] for cc in ("cubic", "bbr") for who in ("rudp", "tcp")}
        for seed in range(rounds):
            for name, runs in found.items():
                runs.append(in_testbed(name, mb * share, options, seed))
        yield from table(found, dict.fromkeys(found, mb * share))
        for control in ("cubic", "bbr"):
            yield from ratios(found, f"rudp {control}", {f"tcp {control}": 0.9})


SHARE_S = 40
SHARE_REST_S = 6  # for the servers to end, and tell what they counted
SHARE_FROM_S = 15  # who was there first has given way by then


def share(rounds: int, mb: float) -> Iterator[str]:
    options = "rate=20mbit delay=10ms queue=60packets"
    names = "rudp,rudp,tcp"
    yield f"two rudp and one tcp at once, {options}, in the testbed, seconds {SHARE_FROM_S} to {SHARE_S - SHARE_REST_S}"
    for control in ("cubic", "bbr"):
        indices = []
        for seed in range(rounds):
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "came"
                between = ["--between", f"{SHARE_FROM_S},{SHARE_S - SHARE_REST_S}"]
                Testbed(
                    [*QUIETLY, *command("many-send", names, THERE, PORT, "--seconds", SHARE_S, "--control", control)],
                    parse_link(options),
                    peer=command("many-serve", names, THERE, PORT, *between, "--out", file),
                    seed=seed,
                ).run()
                rates = [flow["goodput"] * 8 / 1e6 for flow in json.loads(file.read_text())]
            indices.append(sum(rates) ** 2 / (len(rates) * sum(rate * rate for rate in rates)))
            yield f"  all {control}: {', '.join(f'{rate:.2f}' for rate in rates)} Mbit/s, Jain {indices[-1]:.3f}"
        aim = " (aim 0.85)" if control == "cubic" else ""
        yield f"  all {control}: Jain {median(indices):.3f}, median of {rounds}{aim}"


PARTS = {"loopback": loopback, "proxy": proxy, "link": link, "share": share}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", default=",".join(PARTS), help="which, separated by commas")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mb", type=float, default=20)
    options = parser.parse_args()
    for name in options.part.split(","):
        try:
            for line in PARTS[name](options.rounds, options.mb):
                print(line, flush=True)
        except CannotBuild as error:
            print(f"{name}: no testbed here: {error}")


if __name__ == "__main__":
    main()
