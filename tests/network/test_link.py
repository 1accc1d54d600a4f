"""A link: what comes out and when, exact accounting, and dice that belong to their packets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.network.impairments import Corruption
from netlab.network.link import REASONS, Arrived, Configure, Delivered, Dropped, Link, Output, TimerFired
from netlab.network.link_config import ConstantRate, Delay, Fate, LinkConfig, Reorder
from netlab.network.link_options import parse_link
from netlab.network.seeds import seeded_streams
from netlab.units import MS, Ns, S


def make(config: LinkConfig | str, seed: int = 1) -> Link[int]:
    return Link(parse_link(config) if isinstance(config, str) else config, seeded_streams(seed), name="ann>bob")


def drive(link: Link[int], arrivals: Iterable[tuple[Ns, int]]) -> list[Output[int]]:
    """Hand in packets numbered from 1 at these times, with these sizes, firing every timer; then run empty."""
    outputs: list[Output[int]] = []
    for number, (at, size) in enumerate(arrivals, 1):
        run_until(link, at, outputs)
        outputs += link.handle(Arrived(number, size), at)
    run_until(link, None, outputs)
    return outputs


def run_until(link: Link[int], end: Ns | None, outputs: list[Output[int]]) -> None:
    while link.deadline is not None and (end is None or link.deadline <= end):
        now = link.deadline
        came = link.handle(TimerFired(), now)
        assert all(output.at == now for output in came if isinstance(output, Delivered)), "a deadline was missed"
        outputs += came


def times(outputs: list[Output[int]]) -> list[tuple[int, float | str]]:
    """(packet, ms at which it came out, or why it was dropped)."""
    return [(o.packet, o.at / MS if isinstance(o, Delivered) else o.reason) for o in outputs]


EVERY_MS = [(n * MS, 1000) for n in range(5)]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", [(1, 0), (2, 1), (3, 2), (4, 3), (5, 4)]),
        ("delay=20ms", [(1, 20), (2, 21), (3, 22), (4, 23), (5, 24)]),
        ("rate=8mbit", [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]),
        ("rate=4mbit", [(1, 2), (2, 4), (3, 6), (4, 8), (5, 10)]),  # 2 ms each: they wait longer and longer
        ("rate=4mbit delay=7ms", [(1, 9), (2, 11), (3, 13), (4, 15), (5, 17)]),
        ("rate=2mbit queue=1packets", [(3, "queue_full"), (4, "queue_full"), (1, 4), (2, 8), (5, 12)]),
        ("rate=2mbit queue=1999B", [(3, "queue_full"), (4, "queue_full"), (1, 4), (2, 8), (5, 12)]),
        ("rate=4mbit,1000", [(1, 4), (2, 8), (3, 12), (4, 16), (5, 20)]),  # as many bytes again on top
        ("drop=1,3", [(1, "loss"), (2, 1), (3, "loss"), (4, 3), (5, 4)]),
        ("drop_every=2", [(1, 0), (2, "loss"), (3, 2), (4, "loss"), (5, 4)]),
        ("loss=100%", [(n, "loss") for n in range(1, 6)]),
        ("loss=0%", [(1, 0), (2, 1), (3, 2), (4, 3), (5, 4)]),
        ("gilbert=100%,0%", [(1, 0), (2, "loss"), (3, "loss"), (4, "loss"), (5, "loss")]),  # it begins good
        ("mtu=999", [(n, "too_big") for n in range(1, 6)]),
        ("mtu=1000 delay=1ms", [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]),
        ("duplicate=100% rate=16mbit", [(n, n - 1 + half) for n in range(1, 6) for half in (0.5, 1)]),
        ("reorder=100% gap=3 delay=20ms", [(3, 2), (1, 20), (2, 21), (4, 23), (5, 24)]),
        ("slot=10ms", [(1, 10), (2, 10), (3, 10), (4, 10), (5, 10)]),
        ("slot=3ms", [(1, 3), (2, 3), (3, 3), (4, 3), (5, 7)]),  # the fifth finds the slot at 3 past
        ("slot=10ms slot_packets=2", [(1, 10), (2, 10), (3, 20), (4, 20), (5, 30)]),
        ("slot=10ms slot_bytes=2500B", [(1, 10), (2, 10), (3, 10), (4, 20), (5, 20)]),  # the third fills it
        ("slot=2ms delay=20ms", [(1, 22), (2, 22), (3, 22), (4, 25), (5, 25)]),
        ("slot=2ms rate=4mbit", [(1, 4), (2, 4), (3, 8), (4, 8), (5, 12)]),
        ("reorder=100% delay=20ms", [(1, 0), (2, 1), (3, 2), (4, 3), (5, 4)]),
    ],
)
def test_what_comes_out_and_when(options: str, expected: list[tuple[int, float | str]]) -> None:
    assert times(drive(make(options), EVERY_MS)) == expected


def test_a_copy_is_a_packet_of_its_own_in_the_queue() -> None:
    link = make("duplicate=100% rate=8mbit delay=5ms queue=2packets")
    assert times(drive(link, EVERY_MS[:3])) == [(3, "queue_full"), (1, 6), (1, 7), (2, 8), (2, 9), (3, 10)]
    account = link.account
    assert (account.arrived, account.duplicated) == (3, 3)
    assert account.delivered + sum(account.dropped.values()) == 6
    assert account.held == 0


def test_what_a_timer_that_is_late_or_spurious_does() -> None:
    link = make("delay=20ms")
    assert link.handle(TimerFired(), 0) == []
    link.handle(Arrived(1, 100), 0)
    assert link.handle(TimerFired(), 19 * MS) == []
    assert link.handle(TimerFired(), 33 * MS) == [Delivered(1, 20 * MS)]
    assert link.deadline is None


def test_a_late_caller_gets_everything_with_its_own_time() -> None:
    """A proxy's timer is late now and then; what happened meanwhile happened when it did."""
    prompt, late = (
        make("rate=4mbit delay=7ms loss=20% queue=2packets"),
        make("rate=4mbit delay=7ms loss=20% queue=2packets"),
    )
    arrivals = [(n * MS, 1000) for n in range(200)]
    outputs: list[Output[int]] = []
    for number, (at, size) in enumerate(arrivals, 1):
        outputs += late.handle(Arrived(number, size), at)
    outputs += late.handle(TimerFired(), 10 * S)
    expected = drive(prompt, arrivals)
    assert sorted(times(outputs), key=str) == sorted(times(expected), key=str)


def test_jitter_reorders_unless_order_is_kept() -> None:
    options = "delay=20ms jitter=10ms"
    order = [output.packet for output in drive(make(options), [(n * MS, 100) for n in range(100)])]
    kept = [output.packet for output in drive(make(options + " keep_order=yes"), [(n * MS, 100) for n in range(100)])]
    assert order != sorted(order)
    assert kept == sorted(order)


def test_a_link_changes_while_it_runs() -> None:
    link = make("delay=20ms")
    link.handle(Arrived(1, 100), 0)
    assert link.handle(Configure(parse_link("delay=5ms")), 10 * MS) == []
    link.handle(Arrived(2, 100), 10 * MS)
    outputs: list[Output[int]] = []
    run_until(link, None, outputs)
    assert times(outputs) == [(2, 15), (1, 20)]  # the second overtakes: the path is shorter now


def test_a_shorter_delay_is_that_of_those_that_come_later() -> None:
    link = make("rate=1mbit delay=100ms")
    for number in (1, 2):
        link.handle(Arrived(number, 1000), 0)  # 8 ms each
    link.handle(Configure(parse_link("rate=1mbit")), 4 * MS)
    outputs = link.handle(Arrived(3, 1000), 5 * MS)
    run_until(link, None, outputs)
    assert times(outputs) == [(3, 24), (1, 108), (2, 116)]  # and it comes at 24, not when the first does


def test_order_is_kept_also_over_a_change() -> None:
    link = make(LinkConfig(delay=Delay(30 * MS, keep_order=True)))
    link.handle(Arrived(1, 100), 0)
    link.handle(Configure(LinkConfig(delay=Delay(5 * MS, keep_order=True))), MS)
    link.handle(Arrived(2, 100), 2 * MS)
    outputs: list[Output[int]] = []
    run_until(link, None, outputs)
    assert times(outputs) == [(1, 30), (2, 30)]


def test_those_that_wait_get_the_new_rate() -> None:
    link = make("rate=1mbit")
    for number in (1, 2, 3):
        link.handle(Arrived(number, 1000), 0)  # 8 ms each
    link.handle(Configure(parse_link("rate=8mbit")), 4 * MS)
    outputs: list[Output[int]] = []
    run_until(link, None, outputs)
    assert times(outputs) == [(1, 8), (2, 9), (3, 10)]
    link = make("rate=1mbit")
    for number in (1, 2, 3):
        link.handle(Arrived(number, 1000), 0)
    link.handle(Configure(LinkConfig()), 4 * MS)
    outputs = link.handle(Arrived(4, 1000), 5 * MS)  # does not overtake those that wait
    run_until(link, None, outputs)
    assert times(outputs) == [(1, 8), (2, 8), (3, 8), (4, 8)]


# Dice


def fates(config: LinkConfig | str, packets: int = 2000) -> dict[int, tuple[float, Corruption | None] | str]:
    """By packet: how long it took and how it was damaged, or why it was dropped. (Copies aside.)"""
    found: dict[int, tuple[float, Corruption | None] | str] = {}
    for output in drive(make(config), [(n * S, 100) for n in range(packets)]):
        if isinstance(output, Dropped):
            found.setdefault(output.packet, output.reason)
        else:
            found.setdefault(output.packet, (output.at - (output.packet - 1) * S, output.corruption))
    return found


ALL = "loss=2% corrupt=3% duplicate=0% reorder=4% delay=20ms jitter=3ms distribution=normal"


@pytest.mark.parametrize(
    ("change", "moved"),
    [
        (("loss=2%", "loss=1%"), lambda before, after: before == "loss"),
        (("loss=2%", "loss=8%"), lambda before, after: after == "loss"),
        (("loss=2%", "gilbert=1%,10%"), lambda before, after: "loss" in (before, after)),
        (("loss=2%", "drop=7"), lambda before, after: "loss" in (before, after)),
        (("loss=2%", ""), lambda before, after: before == "loss"),
        (("corrupt=3%", "corrupt=9%"), lambda before, after: before[0] == after[0] and before[1] is None),
        (("corrupt=3%", ""), lambda before, after: before[0] == after[0] and after[1] is None),
        (("reorder=4%", "reorder=12%"), lambda before, after: after[0] == 0 and before[1] == after[1]),
        (("reorder=4%", "reorder=1%"), lambda before, after: before[0] == 0 and before[1] == after[1]),
        (("distribution=normal", "distribution=pareto"), lambda before, after: before[1] == after[1]),
    ],
)
def test_changing_one_impairment_moves_no_draw_of_another(change, moved) -> None:  # type: ignore[no-untyped-def]
    before, after = fates(ALL), fates(ALL.replace(*change))
    differing = {packet for packet in before if before[packet] != after[packet]}
    assert differing
    for packet in differing:
        assert moved(before[packet], after[packet]), packet


@pytest.mark.parametrize("does", ["drop", "deliver", "duplicate", "corrupt", "delay"])
def test_forcing_one_packets_fate_changes_nothing_for_the_others(does: str) -> None:
    config = parse_link(ALL)
    before = fates(config)
    chosen = next(p for p in before if (before[p] == "loss") == (does == "deliver"))
    fate = Fate(chosen, does, 5 * MS if does == "delay" else 0)  # type: ignore[arg-type]
    after = fates(
        LinkConfig(**{f: getattr(config, f) for f in config.__struct_fields__ if f != "fates"}, fates=(fate,))
    )
    assert {packet for packet in before if before[packet] != after[packet]} <= {chosen}
    match does:
        case "drop":
            assert after[chosen] == "fate"
        case "deliver":
            assert isinstance(after[chosen], tuple)
        case "delay":
            assert after[chosen][0] - before[chosen][0] == 5 * MS  # type: ignore[operator]
        case "corrupt":
            assert after[chosen][1] == Corruption(99, 1)


def test_dice_belong_to_packets_also_when_an_impairment_is_switched_on_later() -> None:
    always, later = make("loss=30% delay=1ms jitter=1ms"), make("")
    for number in range(1, 1001):
        always.handle(Arrived(number, 100), number * S)
        if number == 501:
            later.handle(Configure(parse_link("loss=30% delay=1ms jitter=1ms")), number * S)
        if number == 700:
            later.handle(Configure(parse_link("corrupt=50%")), number * S)
        if number == 800:
            later.handle(Configure(parse_link("loss=30% delay=1ms jitter=1ms")), number * S)
        later.handle(Arrived(number, 100), number * S)
        if 501 <= number < 700 or number >= 800:
            a, b = [], []
            run_until(always, None, a)
            run_until(later, None, b)
            assert a[-1:] == b[-1:]


def test_directions_and_seeds_have_dice_of_their_own() -> None:
    lost = [
        frozenset(p for p, fate in enumerate(drive(make("loss=50%", seed), EVERY_MS * 8)) if isinstance(fate, Dropped))
        for seed in (1, 2, 1)
    ]
    assert lost[0] == lost[2] != lost[1]
    other = Link[int](parse_link("loss=50%"), seeded_streams(1), name="bob>ann")
    assert lost[0] != {p for p, fate in enumerate(drive(other, EVERY_MS * 8)) if isinstance(fate, Dropped)}


# Accounting, whatever the configuration

shares = st.sampled_from([0.0, 0.01, 0.3, 1.0]).map(lambda share: f"{share * 100:g}%")


@st.composite
def option_strings(draw: st.DrawFn) -> str:
    parts = [
        st.sampled_from(["", "loss=30%", "loss=10%,50%", "gilbert=20%,30%,90%,5%", "loss_state=20%,50%,20%,50%,10%"]),
        st.sampled_from(["", "corrupt=30%", "corrupt=20%,50% corrupt_unit=byte"]),
        shares.map(lambda share: f"duplicate={share}"),
        st.sampled_from(["delay=3ms", "delay=3ms reorder=30% gap=2", "delay=3ms jitter=5ms distribution=pareto"]),
        st.sampled_from(["", "rate=1mbit", "rate=8mbit,8,48,5", "rate=100mbit"]),
        st.sampled_from(["", "queue=3packets", "queue=4kB", "queue=20packets aqm=red,2,10,50%,30%"]),
        st.sampled_from(["", "mtu=700"]),
        st.sampled_from(["", "slot=4ms,9ms", "slot=2ms slot_packets=2", "slot=5ms slot_bytes=1500B"]),
    ]
    queue = draw(st.booleans())
    options = [draw(part) for part in parts]
    if queue:
        options[5] = "queue=30packets aqm=codel,2ms,10ms"
    return " ".join(options)


@given(
    options=option_strings(),
    steps=st.lists(st.tuples(st.integers(0, 9 * MS), st.integers(1, 1500), st.booleans()), max_size=60),
    changes=st.lists(option_strings(), max_size=2),
    seed=st.integers(0, 5),
)
def test_in_is_delivered_and_dropped_and_held(
    options: str, steps: list[tuple[Ns, int, bool]], changes: list[str], seed: int
) -> None:
    link = make(options, seed)
    now = 0
    outputs: list[Output[int]] = []

    def check() -> None:
        account = link.account
        assert account.arrived + account.duplicated == account.delivered + sum(account.dropped.values()) + account.held
        assert account.delivered == sum(isinstance(output, Delivered) for output in outputs)
        assert account.dropped == Counter(output.reason for output in outputs if isinstance(output, Dropped))
        assert set(account.dropped) <= set(REASONS)

    for number, (pause, size, timely) in enumerate(steps, 1):
        now += pause
        if timely:
            run_until(link, now, outputs)
        if number % 20 == 0 and changes:
            outputs += link.handle(Configure(parse_link(changes.pop())), now)
        outputs += link.handle(Arrived(number, size), now)
        check()
    run_until(link, None, outputs)
    check()
    account = link.account
    assert account.held == link.waiting == link.waiting_bytes == 0
    assert account.arrived == len(steps)
    seen = Counter(output.packet for output in outputs)
    assert set(seen) == set(range(1, len(steps) + 1))
    assert sum(seen.values()) - len(seen) == account.duplicated
    assert all(output.at >= 0 for output in outputs)


PLAIN = ["rate=1mbit delay=3ms", "rate=8mbit,8,48,5", "rate=1mbit queue=2packets delay=1ms", "delay=2ms", "rate=2mbit"]


@given(
    options=st.sampled_from(PLAIN),
    steps=st.lists(st.tuples(st.integers(0, 9 * MS), st.integers(1, 1500)), max_size=60),
    changes=st.lists(
        st.sampled_from([*PLAIN, "rate=1mbit queue=30packets aqm=codel,2ms,10ms", "rate=1mbit loss=50%"]), max_size=3
    ),
)
def test_what_is_planned_at_once_is_what_a_queue_would_have_done(
    options: str, steps: list[tuple[Ns, int]], changes: list[str]
) -> None:
    """A link without dice plans a packet's whole way when it comes; one with a fate for a far packet has to queue."""
    fate = (Fate(10**9, "deliver"),)
    links = make(options), make(msgspec.structs.replace(parse_link(options), fates=fate))
    outputs: tuple[list[Output[int]], list[Output[int]]] = ([], [])
    now = 0
    for number, (pause, size) in enumerate(steps, 1):
        now += pause
        change = parse_link(changes.pop()) if number % 12 == 0 and changes else None
        for link, came in zip(links, outputs, strict=True):
            run_until(link, now, came)
            if change is not None:
                config = change if link is links[0] else msgspec.structs.replace(change, fates=fate)
                came += link.handle(Configure(config), now)
            came += link.handle(Arrived(number, size), now)
        planned, queued = (msgspec.to_builtins(link.account) | {"waiting": link.waiting} for link in links)
        assert planned == queued
        assert links[0].waiting_bytes == links[1].waiting_bytes
    for link, came in zip(links, outputs, strict=True):
        run_until(link, None, came)
    assert sorted(times(outputs[0]), key=str) == sorted(times(outputs[1]), key=str)


def test_a_configuration_can_be_built_by_hand() -> None:
    config = LinkConfig(
        rate=ConstantRate(8_000_000), delay=Delay(20 * MS, jitter=MS, correlation=0.5), reorder=Reorder(0.1)
    )
    assert make(config).config is config
