"""Options as people write them: all of them mean what they say, and what cannot be is refused with a right form."""

from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.network import link_config as c
from netlab.network.link_config import BadLink, LinkConfig
from netlab.network.link_options import OPTIONS, link_from_options, parse_link
from netlab.units import MS


@pytest.mark.parametrize(
    ("text", "config"),
    [
        ("", LinkConfig()),
        ("loss=1%", LinkConfig(loss=c.RandomLoss(0.01))),
        ("loss=0.5%,25%", LinkConfig(loss=c.RandomLoss(0.005, 0.25))),
        ("gilbert=1%", LinkConfig(loss=c.GilbertElliott(0.01, 0.99))),
        ("gilbert=1%,10%", LinkConfig(loss=c.GilbertElliott(0.01, 0.1))),
        ("gilbert=1%,10%,80%,0.1%", LinkConfig(loss=c.GilbertElliott(0.01, 0.1, 0.8, 0.001))),
        ("loss_state=1%", LinkConfig(loss=c.FourStateLoss(0.01, 0.99))),
        ("loss_state=1%,90%,5%,50%,1%", LinkConfig(loss=c.FourStateLoss(0.01, 0.9, 0.05, 0.5, 0.01))),
        ("drop_every=10", LinkConfig(loss=c.PeriodicLoss(10))),
        ("drop=1,3", LinkConfig(loss=c.ListedLoss((1, 3)))),
        ("loss_trace=wifi", LinkConfig(loss=c.TraceLoss("0110"))),
        ("corrupt=0.1%", LinkConfig(corrupt=c.Corrupt(0.001))),
        (
            "corrupt=0.1%,25% corrupt_unit=byte corrupt_checksum=fix",
            LinkConfig(corrupt=c.Corrupt(0.001, 0.25, "byte", True)),
        ),
        ("duplicate=1%,50%", LinkConfig(duplicate=c.Duplicate(0.01, 0.5))),
        ("slot=5ms,20ms slot_packets=8", LinkConfig(slot=c.Slot(5 * MS, 20 * MS, 8))),
        ("slot=5ms slot_bytes=12kB", LinkConfig(slot=c.Slot(5 * MS, 5 * MS, 0, 12_000))),
        ("reorder=5%,50% gap=5 delay=1ms", LinkConfig(reorder=c.Reorder(0.05, 0.5, 5), delay=c.Delay(MS))),
        ("queue=100packets", LinkConfig(queue=c.DropTail(100))),
        ("queue=64KiB", LinkConfig(queue=c.DropTail(65536, "bytes"))),
        ("queue=50packets aqm=codel", LinkConfig(queue=c.CoDel(limit=50))),
        ("aqm=codel,10ms,200ms", LinkConfig(queue=c.CoDel(10 * MS, 200 * MS))),
        ("aqm=red,5,15", LinkConfig(queue=c.Red(5, 15))),
        ("aqm=red,5kB,15kB,2%,1% queue=30kB", LinkConfig(queue=c.Red(5000, 15000, 0.02, 0.01, 30000, "bytes"))),
        ("rate=10mbit", LinkConfig(rate=c.ConstantRate(10_000_000))),
        ("rate=1mbit,8,48,5", LinkConfig(rate=c.ConstantRate(1_000_000, c.Framing(8, 48, 5)))),
        ("rate=1mbit,-14", LinkConfig(rate=c.ConstantRate(1_000_000, c.Framing(-14)))),
        ("rate_trace=lte", LinkConfig(rate=c.TraceRate((0, MS, MS, 4 * MS)))),
        ("delay=20ms", LinkConfig(delay=c.Delay(20 * MS))),
        (
            "delay=20ms jitter=2ms distribution=pareto jitter_correlation=25% keep_order=yes",
            LinkConfig(delay=c.Delay(20 * MS, 2 * MS, "pareto", 0.25, True)),
        ),
        ("mtu=576", LinkConfig(mtu=576)),
    ],
)
def test_what_options_mean(text: str, config: LinkConfig) -> None:
    files = {"wifi": "01\n10\n", "lte": "0\n1\n1\n4\n"}
    assert parse_link(text, files.__getitem__) == config
    assert link_from_options(dict(word.split("=") for word in text.split()), files.__getitem__) == config


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("loss=1", "loss=1%"),
        ("loss=101%", "loss=1%"),
        ("loss=-1%", "loss=1%"),
        ("loss=nan%", "loss=1%"),
        ("loss=", "loss=1%"),
        ("loss=1%,100%", "loss=1%,25%"),
        ("loss=1%,2%,3%", "loss=1%"),
        ("loss", "loss=1%"),
        ("los=1%", "loss"),
        ("loss=1% loss=2%", "twice"),
        ("loss=1% gilbert=1%", "exclude each other"),
        ("gilbert=1%,2%,3%,4%,5%", "gilbert=1%,10%"),
        ("loss_state=60%,10%,0%,1%,50%", "loss_state="),
        ("drop=0", "drop=1,3"),
        ("drop=a", "drop=1,3"),
        ("drop_every=0", "drop_every=10"),
        ("drop_every=1e3", "drop_every=10"),
        ("corrupt_unit=byte", "corrupt=0.1%"),
        ("corrupt=1% corrupt_unit=nibble", "corrupt_unit=byte"),
        ("reorder=5%", "reorder=5% delay=20ms"),
        ("reorder=5% delay=1ms gap=0", "gap=5"),
        ("slot=0ms", "slot=10ms"),
        ("slot=10", "slot=10ms"),
        ("slot=9ms,5ms", "slot=5ms,20ms"),
        ("slot=1ms,2ms,3ms", "slot=5ms,20ms"),
        ("slot=1ms slot_packets=-1", "slot_packets=8"),
        ("slot_packets=8", "slot=10ms"),
        ("gap=3", "reorder=5%"),
        ("jitter_correlation=5%", "jitter=2ms"),
        ("delay=20", "delay=20ms"),
        ("delay=-20ms", "delay=20ms"),
        ("delay=1ms jitter=1ms distribution=cauchy", "distribution=normal"),
        ("queue=100", "queue=100packets"),
        ("queue=0packets", "queue=100packets"),
        ("aqm=pie", "aqm=codel"),
        ("aqm=codel,0ms", "aqm=codel,5ms,100ms"),
        ("aqm=red", "aqm=red,5,15"),
        ("aqm=red,15,5", "minimum < maximum"),
        ("aqm=red,5,15,0.5", "aqm=red,5,15,10%,0.2%"),
        ("aqm=red,5,15,10%,0%", "weight 0"),
        ("rate=10", "rate=10mbit"),
        ("rate=0mbit", "leave it out"),
        ("rate=1mbit,1,2,-3", "rate=1mbit,8,48,5"),
        ("rate=1mbit,99999", "rate=10mbit,18"),
        ("rate=1mbit rate_trace=x", "exclude each other"),
        ("rate_trace=x", "no file"),
        ("mtu=10", "mtu=1500"),
    ],
)
def test_what_cannot_be_is_refused_with_a_right_form(text: str, shown: str) -> None:
    with pytest.raises(BadLink) as refusal:
        parse_link(text)
    assert shown in str(refusal.value)


@pytest.mark.parametrize("bad", [math.nan, -0.1, 1.1, math.inf, -math.inf])
def test_probabilities_that_are_none(bad: float) -> None:
    for make in (c.RandomLoss, c.Corrupt, c.Duplicate, c.Reorder):
        with pytest.raises(BadLink):
            make(bad)
        with pytest.raises(BadLink):
            make(0.1, bad)
    with pytest.raises(BadLink):
        c.Delay(1, 1, "normal", bad)
    for place in range(4):
        with pytest.raises(BadLink):
            c.GilbertElliott(*[bad if k == place else 0.5 for k in range(4)])


@pytest.mark.parametrize(
    "make",
    [
        lambda: c.Delay(math.nan),  # type: ignore[arg-type]
        lambda: c.Delay(-1),
        lambda: c.Delay(0, -1),
        lambda: c.ConstantRate(0),
        lambda: c.TraceRate(()),
        lambda: c.TraceRate((0,)),
        lambda: c.TraceRate((5, 4)),
        lambda: c.TraceRate((-1, 4)),
        lambda: c.TraceLoss(""),
        lambda: c.TraceLoss("012"),
        lambda: c.Fate(0, "drop"),
        lambda: c.Fate(1, "delay", -1),
        lambda: c.CoDel(mtu=-1),
    ],
)
def test_other_values_that_cannot_be(make) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BadLink):
        make()


def test_trace_files_that_are_none() -> None:
    for text in ("", "a", "1.5", "-1", "3\n1", "0", "9" * 30):
        with pytest.raises(BadLink):
            parse_link("rate_trace=x", lambda name, text=text: text)  # type: ignore[misc]


def example(key: str) -> str:
    return OPTIONS[key][0].split(" or ")[-1].split("=")[1]


@given(
    st.dictionaries(
        st.sampled_from([*OPTIONS, "nonsense"]),
        st.one_of(
            st.sampled_from([example(key) for key in OPTIONS]),
            st.text(alphabet="0123456789.,%-+enainfmsbitkKMBpacketsredcodl ", max_size=12),
        ),
        max_size=4,
    )
)
def test_whatever_is_written_it_is_a_link_or_a_refusal(options: dict[str, str]) -> None:
    try:
        config = link_from_options(options, lambda name: name)
    except BadLink:
        return
    assert isinstance(config, LinkConfig)


@given(st.text(max_size=60))
def test_any_text_is_a_link_or_a_refusal(text: str) -> None:
    with contextlib.suppress(BadLink):
        parse_link(text)


@pytest.mark.parametrize("key", OPTIONS)
def test_every_example_shown_is_right(key: str) -> None:
    needed = {
        "corrupt_unit": "corrupt=1%",
        "corrupt_checksum": "corrupt=1%",
        "gap": "reorder=5% delay=1ms",
        "reorder": "delay=1ms",
        "distribution": "jitter=1ms",
        "jitter_correlation": "jitter=1ms",
        "keep_order": "jitter=1ms",
        "slot_packets": "slot=1ms",
        "slot_bytes": "slot=1ms",
    }
    for text in OPTIONS[key][0].split(" or "):
        parse_link(f"{text} {needed.get(key, '')}", lambda name: "0011" if key == "loss_trace" else "1\n2")
