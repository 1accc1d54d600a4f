"""Reno's goodput in simulation, beside the formulas of Padhye et al. and Mathis et al., and beside Linux's.

    python benchmarks/padhye.py [--seeds 4] [--seconds 60] [--kernel]

A bulk flow over a link that loses data independently, 1 to 3 %, at round trips of 20 to 100 ms; the `linux` profile,
whose timer starts at T0 = 0.2 s + RTT. b = 1: Linux acknowledges each segment for a while after a loss, so nearly
always here.

- Padhye: the full model of "Modeling TCP Throughput: A Simple Model and its Empirical Validation" (SIGCOMM 1998).
- with our timeouts: the same, with the share of losses that ended in a timeout as it was counted, instead of the
  model's own. The model takes whatever follows a loss in its round for lost too, which is not what this link does.
- Mathis: MSS/RTT * sqrt(3/2p), the bound that no timeout lowers (CCR 1997).

--kernel runs Linux's Reno and CUBIC across the same link in a testbed (iperf3 is needed), for `--kernel-seconds` each.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections import Counter
from math import sqrt

import msgspec

from netlab.protocols.trace import Decision
from netlab.scenarios import parse_scenario, run

MSS = 1448
"""1500 less 40 bytes of headers and 12 of timestamps."""

RATE = 50
LOSSES = (0.01, 0.02, 0.03)
ROUND_TRIPS_MS = (20, 40, 100)

SCENARIO = parse_scenario('about = "Padhye"\nsource = "SIGCOMM 1998"\n[[flows]]\nkind = "bulk"\n')


def window(p: float, b: int) -> float:
    """E[W], the window at a loss, segments."""
    return (2 + b) / (3 * b) + sqrt(8 * (1 - p) / (3 * b * p) + ((2 + b) / (3 * b)) ** 2)


def timeouts(p: float, w: float) -> float:
    """Q(w), the share of losses that end in a timeout."""
    if w <= 3:
        return 1.0
    q = 1 - p
    return min(1.0, (1 - q**3) * (1 + q**3 * (1 - q ** (w - 3))) / (1 - q**w))


def padhye(p: float, rtt: float, t0: float, *, b: int = 1, share: float | None = None) -> float:
    """Mbit/s; `share` of losses that end in a timeout, instead of the model's."""
    w = window(p, b)
    q = timeouts(p, w) if share is None else share
    back_off = 1 + p + 2 * p**2 + 4 * p**3 + 8 * p**4 + 16 * p**5 + 32 * p**6
    segments = (1 - p) / p + w + q / (1 - p)
    seconds = rtt * (b / 2 * w + 1) + q * back_off * t0 / (1 - p)
    return segments / seconds * MSS * 8 / 1e6


def mathis(p: float, rtt: float) -> float:
    """Mbit/s."""
    return MSS * 8 / rtt * sqrt(3 / (2 * p)) / 1e6


class Measured(msgspec.Struct):
    """Goodputs of each seed, Mbit/s, and the share of losses that ended in a timeout."""

    goodputs: list[float]
    share: float

    @property
    def mean(self) -> float:
        return statistics.mean(self.goodputs)


def measure(p: float, rtt_ms: int, *, seeds: int, seconds: int, cc: str = "reno", rate: int = RATE) -> Measured:
    """Simulate: data is lost, acknowledgements are not."""
    flow = msgspec.structs.replace(SCENARIO.flows[0], cc=cc, lasts=f"{seconds}s")
    way = f"rate={rate}mbit delay={rtt_ms / 2}ms queue=1000packets"
    scenario = msgspec.structs.replace(SCENARIO, flows=[flow], there=f"{way} loss={p * 100:g}%", back=way)
    causes: Counter[str] = Counter()

    def count(decision: Decision) -> None:
        if decision.who.startswith("client"):
            causes[decision.cause] += 1

    goodputs = [run(scenario, seed=seed, trace=count).flows[0].goodput_bit_s / 1e6 for seed in range(seeds)]
    return Measured(goodputs, causes["rto"] / max(1, causes["rto"] + causes["loss"]))


def kernel(p: float, rtt_ms: int, *, seconds: int, cc: str, rate: int = RATE) -> float | None:
    """The same across a testbed with Linux's TCP, or None where that does not go."""
    client = f"sleep 0.5; iperf3 -c $NETLAB_PEER -t {seconds} -J"
    link = f"rate={rate}mbit delay={rtt_ms / 2}ms loss={p * 100:g}%"
    command = [sys.executable, "-m", "netlab", "testbed", "-q", "--seed", "1", "--cc", cc, "--link", link]
    done = subprocess.run([*command, "--peer", "iperf3 -s", "--", "sh", "-c", client], capture_output=True, text=True)
    if done.returncode:
        return None
    return float(json.loads(done.stdout)["end"]["sum_received"]["bits_per_second"]) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--kernel", action="store_true")
    parser.add_argument("--kernel-seconds", type=int, default=20)
    asked = parser.parse_args()
    print("   RTT  loss   ours [least, most] Mbit/s    Padhye           with our timeouts        Mathis   timeouts")
    for rtt_ms in ROUND_TRIPS_MS:
        for p in LOSSES:
            rtt = rtt_ms / 1000
            ours = measure(p, rtt_ms, seeds=asked.seeds, seconds=asked.seconds)
            model, counted = padhye(p, rtt, 0.2 + rtt), padhye(p, rtt, 0.2 + rtt, share=ours.share)
            print(
                f"{rtt_ms:4} ms  {p:.0%}   {ours.mean:5.2f} [{min(ours.goodputs):.2f}, {max(ours.goodputs):.2f}]"
                f"{'':12}{model:5.2f} ({ours.mean / model - 1:+4.0%}){'':6}{counted:5.2f} "
                f"({ours.mean / counted - 1:+4.0%}){'':10}{mathis(p, rtt):5.2f}   {ours.share:5.1%} of losses,"
                f" the model {timeouts(p, window(p, 1)):.0%}",
                flush=True,
            )
    if asked.kernel:
        print("\nours and Linux's, Mbit/s, loss both ways for Linux (which loses few acknowledgements that count)")
        for cc, rate, rtt_ms, p in (
            ("reno", 10, 20, 0.01),
            ("reno", 10, 40, 0.01),
            ("reno", 50, 20, 0.03),
            ("reno", 50, 40, 0.03),
            ("cubic", 10, 20, 0.01),
            ("cubic", 10, 40, 0.01),
        ):
            ours = measure(p, rtt_ms, seeds=asked.seeds, seconds=asked.seconds, cc=cc, rate=rate)
            theirs = kernel(p, rtt_ms, seconds=asked.kernel_seconds, cc=cc, rate=rate)
            beside = "no testbed here" if theirs is None else f"{theirs:5.2f} ({ours.mean / theirs - 1:+.0%})"
            print(f"{cc:5} at {rate} Mbit/s, {rtt_ms} ms, {p:.0%}: {ours.mean:5.2f}, Linux {beside}", flush=True)


if __name__ == "__main__":
    main()
