"""Experiments of notebooks 07 to 12: what their tables say has to be so."""

from __future__ import annotations

import pytest

from netlab.course.experiments import arqs, at_scale, blocking, bottleneck, design, fragments, windows


def test_one_loss_costs_each_arq_what_it_should() -> None:
    sent = arqs.one_loss(lost=5).sent
    again = {name: sorted(n for n in set(numbers) if numbers.count(n) > 1) for name, numbers in sent.items()}
    assert again == {"stop-and-wait": [4], "go-back-n": [4, 5, 6, 7], "selective-repeat": [4]}


def test_stop_and_wait_is_near_its_theory_and_the_others_get_more() -> None:
    race = arqs.race(loss=1, seed=3)
    alone = race.results[0]
    assert alone.theory_bit_s is not None
    assert alone.goodput_bit_s == pytest.approx(alone.theory_bit_s, rel=0.1)
    assert all(race.goodput(name) > 5 * race.goodput("stop-and-wait") for name in ("go-back-n", "selective-repeat"))


def test_without_karns_rule_every_packet_is_sent_again() -> None:
    samples = arqs.ambiguous(packets=24)
    assert samples.naive_again == 24  # twice for each of 12
    assert samples.karn_again == 2
    assert samples.karn[-1] > samples.rtts[-1] > samples.naive[-1]


def test_a_sleeping_reader_loses_nothing_and_takes_no_more_than_its_buffer() -> None:
    run = windows.sleeping_reader(buffer=32_768)
    assert max(moment.waiting for moment in run.moments) == 32_768
    assert run.sleeps[0] < run.closed_at < run.sleeps[1] < run.opened_at
    assert run.silence_s < 0.05


def test_a_lost_update_is_asked_for() -> None:
    run = windows.sleeping_reader(lose_update=True)
    assert run.update_lost
    assert run.probes == 3
    assert 0.5 < run.silence_s < 1.5


def test_datagrams_that_do_not_listen_starve_tcp() -> None:
    gentle, rude = bottleneck.unresponsive(rates=(1, 9)).rows
    assert gentle[2] > 8
    assert rude[1] > 8.5
    assert rude[2] < 1.5


@pytest.mark.slow
def test_a_larger_buffer_buys_cubic_waiting_and_no_goodput() -> None:
    sizes = bottleneck.buffers(controls=("cubic",), sizes=(1, 3))
    (_, one, short), (_, three, long) = sizes.lines["cubic"]
    assert three == pytest.approx(one, rel=0.02)
    assert long > 2 * short
    assert sizes.wait("cubic, CoDel", 3) < 10


def test_4000_bytes_are_three_fragments() -> None:
    packets = fragments.cut(4000 - 28).packets
    assert [(p.fragment_offset, len(p.payload), int(p.flags)) for p in packets] == [
        (0, 1480, 1),
        (185, 1480, 1),
        (370, 1020, 0),
    ]


def test_fragments_survive_together() -> None:
    for count, measured, theory in fragments.survival(loss=10, counts=(1, 4), seed=5).rows:
        assert theory == pytest.approx(0.9**count)
        assert measured == pytest.approx(theory, abs=4 * (theory * (1 - theory) / 1000) ** 0.5)


@pytest.mark.parametrize("payload", [1, 1472, 1473, 2952, 2953, 65_507])
def test_the_number_of_fragments_is_that_of_the_cut(payload: int) -> None:
    assert fragments.fragments_of(payload) == len(fragments.cut(payload).packets)


def test_experiments_draw_what_they_say() -> None:
    import matplotlib.pyplot as plt

    for result in (arqs.race(loss=1, lasts_s=2), arqs.ambiguous(), windows.sleeping_reader(), fragments.survival()):
        ax = result.draw()
        assert ax.get_title(loc="left").endswith("?")
        assert ax.get_xlabel() or ax.get_xticklabels()
        plt.close(ax.figure)  # type: ignore[arg-type]


def test_one_loss_blocks_those_that_share_an_order() -> None:
    late = {
        way.name: [len(way.late(stream)) > 0 for stream in range(blocking.STREAMS)]
        for way in blocking.one_loss(lost=41, delay_ms=15).ways
    }
    assert late == {
        "one TCP": [True, True, True, True],
        "four TCPs": [False, True, False, False],
        "rudp, 4 streams": [False, True, False, False],
        "UDP": [False, False, False, False],
    }


def test_what_a_loss_takes_comes_after_all_but_over_udp() -> None:
    never = {way.name: sorted(way.said.keys() - way.came.keys()) for way in blocking.one_loss(lost=41).ways}
    assert never == {"one TCP": [], "four TCPs": [], "rudp, 4 streams": [], "UDP": [41]}


def test_who_repeats_does_some_things_again_unless_somebody_remembers() -> None:
    rows = {name: numbers for name, *numbers in at_scale.policies(requests=200, loss=30, seed=1).rows}
    assert all(sum(numbers) == 200 for numbers in rows.values())
    assert rows["asks once"][1] == 0 < rows["asks once"][2]
    assert rows["repeats"][2] == 0 < rows["repeats"][1]
    assert rows["repeats, server remembers"] == [200, 0, 0]


def test_what_a_room_costs_grows_as_its_square() -> None:
    small, large = at_scale.copies(sizes=(8, 32)).rows
    assert large[1] == pytest.approx(4 * small[1], rel=0.05)
    assert large[2] > 12 * small[2]


@pytest.mark.slow
def test_the_photos_control_decides_how_old_positions_are() -> None:
    designs = {control: design.Design(control=control) for control in ("cubic", "bbr")}
    outcome = design.measure(designs, link="rate=5mbit delay=30ms queue=150packets")
    assert outcome.position_ms("cubic") > 2 * outcome.position_ms("bbr")


def test_a_chat_loses_copies_over_udp_alone() -> None:
    lost = {name: design.copies_lost(capture) for name, capture in design.chats(loss=5).items()}
    assert lost["UDP"] > 0
    assert (lost["TCP"], lost["rudp"]) == (0, 0)
