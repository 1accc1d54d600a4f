"""`netlab plot`: every figure from a file as a user has it, and what is asked in a wrong way is said in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from netlab.cli.commands import netlab
from netlab.cli.simulate import command as simulate
from netlab.cli.what_if import command as what_if_command
from netlab.errors import CaptureError
from netlab.figures.registry import FIGURES, Takes

SCENARIO = """
about = "A chat and a transfer"
source = "made for this test"
link = "rate=2mbit delay=10ms loss=2% queue=20packets"
flows = [
    {kind = "chat", people = 2, messages = 2, size = "3000B", over = "udp"},
    {kind = "bulk", size = "40kB", cc = "reno"},
    {kind = "chat", people = 2, messages = 2, over = "tcp"},
]
"""


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[Takes, Path]:
    """A file of each kind that a figure takes."""
    folder = tmp_path_factory.mktemp("plot")
    scenario = folder / "scenario.toml"
    scenario.write_text(SCENARIO)
    capture, trace, result = folder / "run.pcapng", folder / "run.jsonl", folder / "what-if.json"
    run = CliRunner().invoke(
        simulate,
        [str(scenario), "--seed", "3", "--capture", str(capture), "--trace", str(trace)],
        catch_exceptions=False,
    )
    assert run.exit_code == 0, run.output
    run = CliRunner().invoke(
        what_if_command, [str(scenario), "--seed", "3", "--drop", "client>server:9", "--json"], catch_exceptions=False
    )
    result.write_text(run.stdout)
    return {
        Takes.PACKET: capture,
        Takes.CAPTURE: capture,
        Takes.CAPTURES: capture,
        Takes.TRACE: trace,
        Takes.WHAT_IF: result,
    }


def plot(*words: object) -> Result:
    return CliRunner().invoke(netlab, ["plot", *map(str, words)], standalone_mode=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_from_a_file_and_in_words(name: str, files: dict[Takes, Path], tmp_path: Path) -> None:
    out = tmp_path / "out.svg"
    file = files[FIGURES[name].takes]
    drawn = plot(file, "--figure", name, "-o", out)
    assert drawn.exception is None, drawn.exception
    assert "<svg" in out.read_text()[:600]
    said = plot(file, "--figure", name, "--text")
    assert said.output.splitlines()[0] == FIGURES[name].question
    assert len(said.output.splitlines()) >= 3
    assert said.output.splitlines()[1][:40] in out.read_text().replace("&gt;", ">")


@pytest.mark.parametrize(
    "name", [name for name, entry in FIGURES.items() if entry.takes in (Takes.TRACE, Takes.WHAT_IF)]
)
def test_a_file_of_another_kind_says_which_command_makes_one(name: str, files: dict[Takes, Path]) -> None:
    failed = plot(files[Takes.CAPTURE], "--figure", name, "--text").exception
    assert isinstance(failed, CaptureError)
    assert FIGURES[name].made_by in str(failed)
    assert "\n" not in str(failed)


def test_one_file_for_most_and_several_for_some(files: dict[Takes, Path]) -> None:
    capture = files[Takes.CAPTURE]
    assert "is drawn from one FILE" in str(plot(capture, capture, "--figure", "ladder", "--text").exception)
    assert plot(capture, capture, "--figure", "overhead", "--text").exception is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name a FILE and a --figure"),
        (["x.pcapng", "--figure", "lader", "--text"], "did you mean ladder?"),
        (["x.pcapng", "--figure", "ladder"], "write -o OUT.svg"),
        (["x.pcapng", "--figure", "ladder", "-o", "out.gif"], "end it in .svg, .png or .pdf"),
        (["x.pcapng", "--figure", "ladder", "-o", "out.svg", "--size", "big"], "write width x height"),
        (["not-there.pcapng", "--figure", "ladder", "--text"], "No such file"),
        (["not-there.jsonl", "--figure", "round_trips", "--text"], "No such file"),
        (["not-there.json", "--figure", "what_if", "--text"], "No such file"),
    ],
)
def test_what_is_asked_in_a_wrong_way(words: list[str], said: str) -> None:
    assert said in str(plot(*words).exception)
