"""`netlab guarantees`: what it takes, what it prints, its exit status. (The suite itself: tests/conformance.)"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

import netlab.cli.guarantees as cli
from netlab.conformance.evidence import FULL, QUICK, Row, Scale
from netlab.conformance.subject import SUBJECTS

HOLDS = Row(guarantee="duplicates", transport="tcp", promised=True, promise="0", seen="0 of 9", verdict="holds")
BROKEN = msgspec.structs.replace(HOLDS, guarantee="boundary", verdict="broken", figures={"torn": 3})


class Asked:
    """Stands for the suite: what was asked of it, and the rows it gives."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        self.calls: list[tuple[list[str], Scale, str, tuple[str, ...]]] = []

    async def __call__(
        self, specs: list[str], scale: Scale, seed: str, *, only: tuple[str, ...], say: Any
    ) -> list[Row]:
        self.calls.append((specs, scale, seed, only))
        say("tcp: steady, 1.0 s")
        return self.rows


def run(monkeypatch: pytest.MonkeyPatch, asked: Asked, *arguments: str) -> tuple[int, Result]:
    """The exit status and the result; the group `netlab` makes the one from what the command returns."""
    monkeypatch.setattr(cli, "run_suite", asked)
    result = CliRunner().invoke(cli.command, arguments, standalone_mode=False)
    return (result.return_value if result.exception is None else -1), result


def test_all_transports_quickly_with_a_drawn_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked([HOLDS])
    status, result = run(monkeypatch, asked)
    (specs, scale, seed, only) = asked.calls[0]
    assert (status, specs, scale, only) == (0, [*SUBJECTS], QUICK, ())
    assert f"quick run, --seed {seed}, of tcp, ws, sio, rudp, udp" in result.stderr
    assert "tcp: steady, 1.0 s" in result.stderr
    assert result.stdout.startswith("duplicates\n  tcp  promised: 0")
    assert result.stdout.endswith(f"all 1 rows as declared (quick run, --seed {seed})\n")


@pytest.mark.parametrize(
    ("arguments", "specs"),
    [
        (["--transport", "udp"], ["udp"]),
        (["--transport", "all", "--transport", "tcp"], [*SUBJECTS]),
        (["--subject", "my.py:quic"], ["my.py:quic"]),
        (["--transport", "tcp", "--subject", "my.py:quic"], ["tcp", "my.py:quic"]),
    ],
)
def test_which_transports(monkeypatch: pytest.MonkeyPatch, arguments: list[str], specs: list[str]) -> None:
    asked = Asked([HOLDS])
    run(monkeypatch, asked, *arguments)
    assert asked.calls[0][0] == specs


def test_in_full_with_a_seed_one_experiment(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked([HOLDS])
    status, _ = run(monkeypatch, asked, "--full", "--seed", "7", "--only", "loss")
    assert (status, asked.calls) == (0, [([*SUBJECTS], FULL, "7", ("loss",))])


def test_a_broken_promise_is_exit_status_1(monkeypatch: pytest.MonkeyPatch) -> None:
    status, result = run(monkeypatch, Asked([HOLDS, BROKEN]), "--seed", "7")
    assert status == 1
    assert "1 of 2 promises broken" in result.stdout


def test_nothing_tried_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, Asked([]), "--only", "loss")[0] == 1


def test_json(monkeypatch: pytest.MonkeyPatch) -> None:
    status, result = run(monkeypatch, Asked([HOLDS, BROKEN]), "--json", "--seed", "7")
    table = msgspec.json.decode(result.stdout)
    assert (status, table["mode"], table["seed"], table["good"]) == (1, "quick", 7, False)
    assert [(row["guarantee"], row["good"]) for row in table["rows"]] == [("duplicates", True), ("boundary", False)]
    assert table["rows"][1]["figures"] == {"torn": 3}


def test_markdown(monkeypatch: pytest.MonkeyPatch) -> None:
    _, result = run(monkeypatch, Asked([HOLDS]), "--markdown")
    assert result.stdout.splitlines()[0] == "| | tcp |"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--transport", "sctp"], "sctp"),
        (["--only", "miracles"], "miracles"),
        (["--json", "--markdown"], "choose one"),
        (["--seed", "x"], "x"),
    ],
)
def test_usage(monkeypatch: pytest.MonkeyPatch, arguments: list[str], why: str) -> None:
    asked = Asked([HOLDS])
    monkeypatch.setattr(cli, "run_suite", asked)
    result = CliRunner().invoke(cli.command, arguments)
    assert (result.exit_code, asked.calls) == (2, [])
    assert why in result.output


def test_a_subject_that_is_none_is_an_error_of_one_line() -> None:
    result = CliRunner().invoke(cli.command, ["--subject", "nowhere:quic"], standalone_mode=False)
    assert "no subject at 'nowhere:quic'" in str(result.exception)
