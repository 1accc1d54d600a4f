"""Sweeps: which runs there are, what is kept of them, and that an interrupted one goes on where it was."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.scenarios import load, parse_scenario, run
from netlab.scenarios.confidence import half_width, t_quantile, within
from netlab.scenarios.sweep import BadSweep, Sweep, changed, read_axis
from netlab.scenarios.sweep_results import BadResults, Result, ResultsFile, seed_in, sum_up
from netlab.scenarios.sweep_run import do

SHORT = """
about = "a few datagrams"
source = "chosen for testing"
link = "delay=20ms gilbert=1%,10%"
[[flows]]
kind = "datagrams"
rate = "1mbit"
lasts = "1s"
[[flows]]
kind = "chat"
people = 2
messages = 3
"""
SCENARIO = parse_scenario(SHORT)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("link.loss=0%..10%/11", tuple(f"{n}%" for n in range(11))),
        ("link.loss=0%..1%/5", ("0%", "0.25%", "0.5%", "0.75%", "1%")),
        ("link.delay=100ms..0ms/3", ("100ms", "50ms", "0ms")),
        ("link.delay=500us..2ms/4", ("500000ns", "1000000ns", "1500000ns", "2000000ns")),
        ("there.rate=1mbit..2gbit/2", ("1000000bit", "2000000000bit")),
        ("link.queue=10packets..30packets/3", ("10packets", "20packets", "30packets")),
        ("flows.1.people=1..5/5", ("1", "2", "3", "4", "5")),
        ("seed=1,7,7", ("1", "7")),
        ("link.delay=1ms, 5ms", ("1ms", "5ms")),
    ],
)
def test_what_an_axis_goes_through(text: str, values: tuple[str, ...]) -> None:
    assert read_axis(text).values == values


@pytest.mark.parametrize(
    "text",
    [
        *("", "link.loss", "link.loss=", "link.loss=0%..10%", "link.loss=0%..10%/1", "link.loss=0%..10%/x", "=1"),
        *("a=1,,2", "link.loss=0%..10ms/3", "link.loss=..10%/3", "flows.1.people=1..2/3", "link.loss=1%/3"),
        "link.loss=-1%..1%/3",
    ],
)
def test_an_axis_that_cannot_be_shows_a_right_one(text: str) -> None:
    with pytest.raises(BadSweep, match="--sweep"):
        read_axis(text)


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"link.loss": "5%"}, {"link": "delay=20ms loss=5%"}),  # instead of gilbert, which excludes it
        ({"link.delay": "5ms"}, {"link": "delay=5ms gilbert=1%,10%"}),
        ({"link.gilbert.1": "50%"}, {"link": "delay=20ms gilbert=1%,50%"}),
        ({"there.rate": "1mbit"}, {"link": "", "there": SCENARIO.link + " rate=1mbit", "back": SCENARIO.link}),
        ({"flows.0.rate": "2mbit"}, {}),
        ({"flows.1.people": "5"}, {}),
    ],
)
def test_a_scenario_with_another_value(settings: dict[str, str], found: dict[str, str]) -> None:
    other = changed(SCENARIO, settings)
    for key, value in found.items():
        assert getattr(other, key) == value
    assert (other.flows == SCENARIO.flows) == (not any(key.startswith("flows") for key in settings))


def test_both_directions_are_swept_where_each_has_its_own() -> None:
    other = changed(load("cable"), {"link.loss": "3%"})
    assert (other.link, other.there.endswith("loss=3%"), other.back.endswith("loss=3%")) == ("", True, True)


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("about", "5", "write link.loss"),
        ("link", "5", "write link.loss"),
        ("link.lsos", "1%", "'lsos' is no option"),
        ("link.loss", "101%", "loss"),
        ("link.loss", "5", "loss=1%"),
        ("link.gilbert.2", "5%", "has no gilbert with so many"),
        ("there.loss.0", "5%", "has no loss"),
        ("flows.7.rate", "1mbit", "has 2 flows"),
        ("flows.x.rate", "1mbit", "has 2 flows"),
        ("flows.0.spacing", "1", "flows[0].spacing"),
        ("flows.0.nothing", "1", "write one of lasts, begins, rate, size"),
        ("flows.0.kind", "chat", "write one of lasts, begins, rate, size"),
        ("flows.1.people", "2.5", "no whole number: write such as flows.1.people=2"),
        ("flows.1.people", "0", "people = 5"),
        ("seed", "x", "is no seed"),
    ],
)
def test_what_cannot_be_swept_is_refused_before_anything_runs(key: str, value: str, shown: str) -> None:
    with pytest.raises(BadSweep) as refused:
        Sweep.of(SCENARIO, [read_axis(f"{key}={value}")], seed=1, runs=1)
    assert shown in str(refused.value)


@given(text=st.text("link.losdeayflowseed=,/.%0123456789ms", max_size=30))
def test_only_bad_sweeps_come_of_bad_texts(text: str) -> None:
    try:
        sweep = Sweep.of(SCENARIO, [read_axis(text)], seed=1, runs=1)
    except BadSweep:
        return
    assert len(list(sweep.jobs())) == len(sweep.points) > 0


def test_the_runs_of_a_sweep() -> None:
    axes = [read_axis("link.loss=0%,5%"), read_axis("flows.1.people=1..3/3")]
    sweep = Sweep.of(SCENARIO, axes, seed=10, runs=2)
    jobs = list(sweep.jobs())
    assert len(jobs) == 12
    assert {(job.point, job.run) for job in jobs} == set(itertools.product(range(6), range(2)))
    assert {job.seed - job.run for job in jobs} == {10}  # the points have the same seeds
    assert [job.run for job in jobs[:6]] == [0] * 6  # every point has its first run before any has its second
    assert sweep.points[4] == ("5%", "2")
    assert sweep.scenarios[4].flows[1].people == 2  # type: ignore[union-attr]
    with pytest.raises(BadSweep, match="leave --runs out"):
        Sweep.of(SCENARIO, [read_axis("seed=1..3/3")], seed=1, runs=2)
    with pytest.raises(BadSweep, match="swept twice"):
        Sweep.of(SCENARIO, [axes[0], axes[0]], seed=1, runs=1)
    with pytest.raises(BadSweep, match="runs, and"):
        Sweep.of(SCENARIO, axes, seed=1, runs=10**6)


def results_of(sweep: Sweep) -> list[Result]:
    return [Result.of(job, run(job.scenario, seed=job.seed)) for job in sweep.jobs()]


def test_a_sweep_is_the_runs_themselves() -> None:
    sweep = Sweep.of(SCENARIO, [read_axis("link.loss=0%,50%")], seed=3, runs=2)
    expected = results_of(sweep)
    key = lambda result: (result.point, result.run)  # noqa: E731
    assert sorted(do(sweep, processes=1), key=key) == sorted(expected, key=key)
    assert list(do(sweep, done={key(result) for result in expected}, processes=1)) == []
    points = sum_up(sweep, [*expected, expected[0]])
    assert [(point.at, point.runs) for point in points] == [({"link.loss": "0%"}, 2), ({"link.loss": "50%"}, 2)]
    lost = points[1].flows[0].metrics["lost"]
    shares = [result.flows[0].lost / result.flows[0].sent for result in expected if result.point == 1]
    assert lost is not None
    assert lost.mean == pytest.approx(sum(shares) / 2)
    assert lost.ci95 == pytest.approx(12.7062 * abs(shares[0] - shares[1]) / 2, rel=1e-4)  # t(0.975, 1) s / sqrt 2


def test_a_results_file_goes_on_where_it_was_cut_off(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    sweep = Sweep.of(SCENARIO, [read_axis("link.loss=0%,50%")], seed=3, runs=1)
    results = results_of(sweep)
    assert seed_in(file) is None
    opened = ResultsFile(file, sweep)
    for result in results:
        opened.add(result)
    opened.close()
    whole = file.read_bytes()
    assert seed_in(file) == 3
    for cut in (0, 5, whole.index(b"\n"), whole.index(b"\n") + 1, len(whole) - 1, len(whole) - 100, len(whole)):
        file.write_bytes(whole[:cut])
        again = ResultsFile(file, sweep)
        kept = again.results
        assert kept == results[: len(kept)]
        assert len(kept) == max(0, whole[:cut].count(b"\n") - 1)
        for result in results[len(kept) :]:
            again.add(result)
        again.close()
        assert file.read_bytes() == whole
    more = ResultsFile(file, Sweep.of(SCENARIO, sweep.axes, seed=3, runs=9))  # more runs of the same points
    assert more.results == results
    more.close()


def test_a_sweep_that_fails_before_its_first_result_leaves_no_file(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    ResultsFile(file, Sweep.of(SCENARIO, [read_axis("link.loss=0%,50%")], seed=3, runs=1)).close()
    assert not file.exists()


def test_a_file_of_something_else_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    sweep = Sweep.of(SCENARIO, [read_axis("link.loss=0%,50%")], seed=3, runs=1)
    begun = ResultsFile(file, sweep)
    begun.add(results_of(sweep)[0])
    begun.close()
    whole = file.read_bytes()
    others = (
        (Sweep.of(load("perfect"), sweep.axes, seed=3, runs=1), "of another scenario"),
        (Sweep.of(SCENARIO, [read_axis("link.loss=0%,51%")], seed=3, runs=1), "another sweep: link.loss=0%,50%"),
        (Sweep.of(SCENARIO, sweep.axes, seed=4, runs=1), "of seed 3"),
    )
    for other, shown in others:
        with pytest.raises(BadResults, match=shown):
            ResultsFile(file, other)
        assert file.read_bytes() == whole
    for text, shown in (
        (b"precious\n", "holds no results"),
        (b"precious", "holds no results"),
        (whole + b"precious\n", "line 3"),
        (whole + b'{"point":9,"run":0,"seed":3,"seconds":1,"flows":[],"links":{}}\n', "line 3"),
    ):
        file.write_bytes(text)
        with pytest.raises(BadResults, match=shown):
            ResultsFile(file, sweep)
        assert file.read_bytes() == text


# Student's t


@pytest.mark.parametrize(
    ("freedom", "quantile"),  # two-sided 95 %, as printed in every table
    [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (9, 2.262), (10, 2.228), (19, 2.093), (30, 2.042), (120, 1.980)],
)
def test_students_t(freedom: int, quantile: float) -> None:
    assert t_quantile(0.95, freedom) == pytest.approx(quantile, abs=5e-4)
    assert within(t_quantile(0.99, freedom), freedom) == pytest.approx(0.99)


def test_a_mean_of_one_run_has_no_interval() -> None:
    assert half_width([1.0]) is None
    assert half_width([2.0, 2.0, 2.0]) == 0


# The command


def simulate(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "netlab", "simulate", *arguments]
    return subprocess.run(command, capture_output=True, text=True, **options)


@pytest.fixture
def short(tmp_path: Path) -> str:
    file = tmp_path / "short.toml"
    file.write_text(SHORT)
    return str(file)


def test_what_is_asked_wrong(short: str, tmp_path: Path) -> None:
    for arguments, shown in (
        (("--sweep", "link.loss"), "no key with its values"),
        (("--sweep", "link.loss=0%..10%/1"), "does not say how many points, 2 to 1000000"),
        (("--sweep", "link.loss=0%..10%/99999999"), "does not say how many points, 2 to 1000000"),
        (("--runs", "3"), "are for a --sweep"),
        (("--csv",), "are for a --sweep"),
        (("--sweep", "link.loss=1%", "--backend", "dask"), "--scheduler"),
        (("--sweep", "link.loss=1%", "--capture", str(tmp_path / "x")), "leave --capture"),
    ):
        done = simulate(short, *arguments)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert shown in done.stderr


def test_without_joblib_one_line_says_what_to_install(short: str) -> None:
    code = (
        "import sys; sys.modules['joblib'] = None\n"
        f"from netlab.cli import main; main(['simulate', {short!r}, '--sweep', 'link.loss=0%'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"netlab: error: a sweep needs joblib: {sys.executable} -m pip install 'joblib'\n"


@pytest.mark.slow
def test_table_csv_and_json_say_the_same(short: str, tmp_path: Path) -> None:
    asked = (short, "--sweep", "link.loss=0%..50%/2", "--runs", "3", "--results", str(tmp_path / "r"), "--seed", "5")
    data = json.loads(simulate(*asked, "--json").stdout)
    rows = list(csv.DictReader(io.StringIO(simulate(*asked[:-2], "--csv").stdout)))  # the seed is that of the file
    table = simulate(*asked).stdout
    assert (data["seed"], data["runs"], len(data["points"]), len(rows)) == (5, 3, 2, 4)
    for point, row in zip([p for p in data["points"] for _ in p["flows"]], rows, strict=True):
        flow = point["flows"][rows.index(row) % 2]
        assert (row["link.loss"], row["flow"], row["runs"]) == (point["at"]["link.loss"], flow["what"], "3")
        assert float(row["lost"]) == flow["metrics"]["lost"]["mean"]
        assert float(row["lost_ci95"]) == flow["metrics"]["lost"]["ci95"]
        assert f"{flow['metrics']['lost']['mean']:.2%}"[:-1] in table
    assert "95 % confidence interval (Student's t" in table
    assert len((tmp_path / "r").read_text().splitlines()) == 7  # nothing was done twice


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_interrupted_it_keeps_what_is_finished_and_goes_on(tmp_path: Path, short: str, number: signal.Signals) -> None:
    file = tmp_path / "results.jsonl"
    asked = ["mix", "--sweep", "link.loss=0%..10%/3", "--runs", "100", "--results", str(file), "--seed", "5"]
    command = [sys.executable, "-m", "netlab", "simulate", *asked]
    listening = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    starting = listening + f"import os, sys; os.execv(sys.executable, {command!r})"
    going = subprocess.Popen(
        [sys.executable, "-c", starting], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while not (file.exists() and file.read_bytes().count(b"\n") > 3):
        assert going.poll() is None
        assert time.monotonic() < deadline
    going.send_signal(number)
    _, told = going.communicate(timeout=60)
    assert going.returncode == (-9 if number == signal.SIGKILL else 128 + number)
    kept = file.read_bytes()
    kept = kept[: kept.rfind(b"\n") + 1]
    finished = kept.count(b"\n") - 1
    assert 3 <= finished < 300
    if number != signal.SIGKILL:
        assert re.search(rf"{finished} of 300 runs are done: the same command goes on from", told)
    again = simulate(*(word if word != "100" else "4" for word in asked), "--json")
    assert again.returncode == 0, again.stderr
    assert [point["runs"] for point in json.loads(again.stdout)["points"]] == [4, 4, 4]
    lines = file.read_bytes()
    assert lines.startswith(kept)
    runs = [(result["point"], result["run"]) for result in map(msgspec.json.decode, lines.splitlines()[1:])]
    assert len(runs) == len(set(runs))  # nothing was done twice
    assert {(point, k) for point in range(3) for k in range(4)} <= set(runs)


@pytest.mark.slow
def test_a_dask_cluster_takes_the_same_work(short: str) -> None:
    pytest.importorskip("distributed", reason="Dask is not installed")
    asked = (short, "--sweep", "link.loss=0%,30%", "--runs", "2", "--seed", "5", "--csv")
    dask = [sys.executable, "-m"]
    scheduler = subprocess.Popen(
        [*dask, "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"],
        stderr=subprocess.PIPE,
        text=True,
    )
    worker = None
    try:
        assert scheduler.stderr is not None
        (address,) = next(
            found for line in scheduler.stderr if (found := re.findall(r"Scheduler at: *(tcp://\S+)", line))
        )
        worker = subprocess.Popen(
            [*dask, "distributed.cli.dask_worker", address, "--nthreads", "2", "--no-dashboard"],
            stderr=subprocess.DEVNULL,
        )
        done = simulate(*asked, "--backend", "dask", "--scheduler", address)
        assert done.returncode == 0, done.stderr
        assert done.stdout == simulate(*asked).stdout
        assert done.stdout.count("\n") == 5
    finally:
        for process in (worker, scheduler):
            if process is not None:
                process.terminate()
                process.wait()
        if scheduler.stderr is not None:
            scheduler.stderr.close()
