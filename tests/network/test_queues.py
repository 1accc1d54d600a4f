"""Queues and rates against drop times and departures computed by hand."""

from __future__ import annotations

import pytest

from netlab.network.link import Arrived, Delivered, Dropped, Link, TimerFired
from netlab.network.link_config import CoDel, ConstantRate, Framing, LinkConfig, Red, TraceRate
from netlab.network.link_options import parse_link
from netlab.network.queues import CoDelQueue, RedQueue
from netlab.network.rates import framed_size, rate_machine
from netlab.network.seeds import seeded_streams
from netlab.units import MS, Ns, S

#   dice  avg  count  p_b    p_a = p_b / (1 - count * p_b)   what happens
RED = [
    (0.99, 0, -1),  # nobody waits
    (0.00, 1, -1),  # below the minimum of 2: never
    (0.00, 2, 0),  # at the minimum: p_b = 0
    (0.20, 3, 1),  # p_b = 0.5 * 1/4 = 0.125, p_a = 0.125 / 0.875 = 0.143
    (0.49, 4, "red"),  # p_b = 0.25, count 2: p_a = 0.25 / 0.5 = 0.5
    (0.34, 4, 1),  # count began again: p_a = 0.25 / 0.75 = 0.333
    (0.99, 5, "red"),  # p_b = 0.375, count 2: p_a = 0.375 / 0.25, over 1
    (0.61, 5, 1),  # p_a = 0.375 / 0.625 = 0.6
    (0.99, 6, "red"),  # at the maximum: always
    (0.99, 6, "red"),
]


def test_red_drops_as_computed_by_hand() -> None:
    queue = RedQueue(Red(minimum=2, maximum=6, probability=0.5, weight=1.0, limit=20), packet_time=MS)
    for step, (dice, avg, expected) in enumerate(RED):
        reason = queue.push((step, 1000, 0, None), 0, dice)
        assert queue.avg == avg, f"step {step}"
        assert reason == (expected if expected == "red" else None), f"step {step}"


def test_reds_average_moves_by_its_weight_and_sinks_while_nobody_waits() -> None:
    queue = RedQueue(Red(minimum=5, maximum=15, weight=0.5, limit=20), packet_time=10)
    averages = []
    for step in range(4):
        queue.push((step, 1000, 0, None), 0, 0.5)
        averages.append(queue.avg)
    assert averages == [0, 0.5, 1.25, 2.125]
    for now in (10, 20, 30, 40):
        queue.pull(now, [])
    queue.push((5, 1000, 70, None), 70, 0.5)  # empty since 40: as if three packets had found it empty
    assert queue.avg == 2.125 / 2**3


def test_red_in_bytes_counts_bytes() -> None:
    queue = RedQueue(Red(minimum=2000, maximum=6000, weight=1.0, limit=9000, unit="bytes"), packet_time=MS)
    reasons = [queue.push((step, 1500, 0, None), 0, 0.0) for step in range(6)]
    assert reasons == [None, None, "red", "red", "red", "red"]


def codel_drops(arrivals: list[tuple[Ns, int]], config: LinkConfig) -> list[float]:
    """When packets are dropped, ms."""
    link = Link[int](config, seeded_streams(1))
    drops: list[float] = []
    todo = sorted(arrivals)
    while todo or link.deadline is not None:
        if todo and (link.deadline is None or todo[0][0] <= link.deadline):
            at, size = todo.pop(0)
            outputs = link.handle(Arrived(0, size), at)
        else:
            assert link.deadline is not None
            outputs = link.handle(TimerFired(), link.deadline)
        drops += [output.at / MS for output in outputs if isinstance(output, Dropped)]
    return drops


TEN_MS_EACH = LinkConfig(queue=CoDel(), rate=ConstantRate(1_200_000))  # 1500 B

CODEL_DROPS = [
    110,  # over 5 ms first at 10, and so for 100 ms
    210,  # next at 110 + 100
    290,  # 210 + 100/sqrt(2) = 280.711: the link is free every 10 ms
    340,  # 280.711 + 100/sqrt(3) = 338.446
    390,  # 338.446 + 50 = 388.446
    440,  # 388.446 + 100/sqrt(5) = 433.167
    480,  # 433.167 + 40.825 = 473.992
    520,  # 473.992 + 37.796 = 511.788
    550,  # 511.788 + 35.355 = 547.143
    590,  # 547.143 + 33.333 = 580.477
    620,  # 580.477 + 31.623 = 612.099
]


def test_codel_drops_as_rfc_8289s_control_law_says() -> None:
    drops = codel_drops([(0, 1500)] * 75, TEN_MS_EACH)
    assert drops[: len(CODEL_DROPS)] == CODEL_DROPS


def test_codel_lets_a_burst_pass_that_is_gone_within_an_interval() -> None:
    assert codel_drops([(0, 1500)] * 11, TEN_MS_EACH) == []


def test_codel_drops_nothing_while_no_more_than_one_packet_waits() -> None:
    """However long it waits: a slow link is not a long queue."""
    slow = LinkConfig(queue=CoDel(), rate=ConstantRate(120_000))  # 100 ms each
    assert codel_drops([(0, 1500), *[(n * 100 * MS, 1500) for n in range(50)]], slow) == []


def test_codel_remembers_a_rate_of_drops_that_helped() -> None:
    """RFC 8289 section 5.4: back above the target soon after, it begins where it stopped."""
    first = [(0, 1500)] * 75
    count = len(codel_drops(first, TEN_MS_EACH))
    drops = codel_drops([*first, *[(S, 1500)] * 75], TEN_MS_EACH)
    again = [at for at in drops if at > 1000]
    assert len(drops) - len(again) == count
    assert again[0] == 1110  # over 5 ms first at 1010, and so for 100 ms
    # count - lastcount = count - 1 drops after the first: the next one is due after 100 / sqrt(count - 1)
    due = 1110 + 100 / (count - 1) ** 0.5
    assert again[1] == pytest.approx(-(-due // 10) * 10)
    late = codel_drops([*first, *[(4 * S, 1500)] * 75], TEN_MS_EACH)[count:]
    assert late[:3] == [4110, 4210, 4290]  # too long ago: from the beginning


def test_codel_of_an_empty_queue() -> None:
    assert CoDelQueue(CoDel()).pull(5, []) is None


@pytest.mark.parametrize(
    ("size", "framing", "sent"),
    [
        (1500, Framing(), 1500),
        (1500, Framing(overhead=38), 1538),  # Ethernet with preamble and gap
        (40, Framing(overhead=-14), 26),
        (10, Framing(overhead=-14), 0),
        (40, Framing(overhead=8, cell_size=48, cell_overhead=5), 53),
        (41, Framing(overhead=8, cell_size=48, cell_overhead=5), 106),
    ],
)
def test_what_the_links_own_layer_adds(size: int, framing: Framing, sent: int) -> None:
    assert framed_size(size, framing) == sent
    assert rate_machine(ConstantRate(8_000_000, framing), 0).finish(size, 7, waited=False) == 7 + sent * 1000


def departures(trace_ms: list[int], arrivals: list[tuple[int, int]], began: Ns = 0) -> list[float]:
    """When packets leave, ms, as (ms, bytes) come."""
    config = LinkConfig(rate=TraceRate(tuple(ms * MS for ms in trace_ms)))
    link = Link[int](config, seeded_streams(1), began=began)
    left: list[float] = []
    todo = [(began + ms * MS, size) for ms, size in arrivals]
    while todo or link.deadline is not None:
        if todo and (link.deadline is None or todo[0][0] <= link.deadline):
            at, size = todo.pop(0)
            outputs = link.handle(Arrived(0, size), at)
        else:
            assert link.deadline is not None
            outputs = link.handle(TimerFired(), link.deadline)
        left += [(output.at - began) / MS for output in outputs if isinstance(output, Delivered)]
    return left


@pytest.mark.parametrize(
    ("trace", "arrivals", "left"),
    [
        ([1], [(0, 1500)] * 4, [1, 2, 3, 4]),  # one packet a ms, again and again
        ([1, 1, 5], [(0, 1500)] * 6, [1, 1, 5, 6, 6, 10]),
        ([4], [(0, 700)] * 5, [4, 4, 8, 8, 12]),  # 1400 B at 4, the third crosses into the next
        ([4], [(0, 500)] * 4, [4, 4, 4, 8]),
        ([4], [(0, 4000)], [12]),
        ([4], [(0, 3000), (0, 1)], [8, 12]),
        ([1, 2, 3, 10], [(3, 100)], [10]),  # what nobody waits for is wasted, also at the very moment
        ([4], [(0, 100), (4, 100)], [4, 8]),
        ([0, 3], [(0, 1500)] * 3, [3, 3, 6]),
        ([5], [(23, 1500)], [25]),
    ],
)
def test_a_measured_rate(trace: list[int], arrivals: list[tuple[int, int]], left: list[float]) -> None:
    assert departures(trace, arrivals) == left
    assert departures(trace, arrivals, began=987_654_321) == left


def test_a_constant_rate_is_never_exceeded() -> None:
    rate = rate_machine(ConstantRate(7_000_003), 0)
    now = 0
    for _ in range(1000):
        now = rate.finish(1499, now, waited=True)
    assert 1000 * 1499 * 8 * S / 7_000_003 <= now <= 1000 * 1499 * 8 * S / 7_000_003 + 1000


def test_options_for_queues_reach_them() -> None:
    config = parse_link("rate=1.2mbit aqm=codel")
    assert config == TEN_MS_EACH
