"""`netlab race` as it is typed: rightly, wrongly, and with what students bring."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from netlab.cli import main

STUDENTS = """
from netlab.protocols.arq import GoBackN

class MyArq(GoBackN):
    pass

class Broken(GoBackN):
    def _acknowledged(self, number, now):
        return 1 / 0

class Mute:
    deadline = None
    def handle(self, event, now):
        pass

class Odd:
    deadline = None
    def handle(self, event, now):
        return ["hello"]

class Timeless:
    def handle(self, event, now):
        return []

class Untold:
    deadline = None
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(STUDENTS)
    (tmp_path / "unfinished.py").write_text("def handle(\n")
    return tmp_path


def race(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["race", *arguments])
    code = ended.value.code
    assert isinstance(code, int)
    return code


def test_arqs_race_and_ones_own_among_them(capsys: pytest.CaptureFixture[str]) -> None:
    names = "stop-and-wait,go-back-n,selective-repeat,mine:MyArq"
    assert race("--arq", names, "--seed", "7", "--lasts", "2s") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "there rate=10mbit delay=20ms loss=1%; back rate=10mbit delay=20ms, seed 7"
    rows = {line.split()[0]: line for line in lines[3:7]}
    assert list(rows) == ["stop-and-wait", "go-back-n", "selective-repeat", "MyArq"]
    assert rows["go-back-n"].split()[1] == rows["MyArq"].split()[1]
    assert "a window of 16" in lines[-1]


def test_json_is_one_line_and_repeats(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--arq", "go-back-n", "--link", "rate=1mbit delay=1ms", "--seed", "3", "--lasts", "1s", "--json"]
    assert race(*asked) == race(*asked) == 0
    one, other = capsys.readouterr().out.splitlines()
    assert one == other
    told = json.loads(one)
    assert told["arqs"][0]["name"] == "go-back-n"
    assert told["rules"]["window"] == 16


def test_a_race_is_captured(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert race("dsl", "--arq", "go-back-n", "--seed", "3", "--lasts", "1s", "--capture", "race.pcapng") == 0
    assert (folder / "race.pcapng").stat().st_size > 10_000
    assert race("dsl", "--arq", "go-back-n", "--seed", "3", "--lasts", "1s", "--capture", "race.pcapng") == 1
    assert "race.pcapng" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ([], 2, "say who races"),
        (["--arq", "tahoe"], 1, "no ARQ 'tahoe': they are stop-and-wait, go-back-n, selective-repeat, or your own as"),
        (["--arq", "yours:MyArq"], 1, "there is no yours.py in the current folder"),
        (["--arq", "mine:Yours"], 1, "mine has no class Yours: it has MyArq, Broken, Mute, Odd, Timeless, Untold"),
        (["--arq", "my-arq:MyArq"], 1, "'my-arq:MyArq' is not of the form my_module:MyClass"),
        (
            ["--arq", "unfinished:MyArq"],
            1,
            "unfinished.py cannot be loaded: SyntaxError: '(' was never closed (line 1)",
        ),
        (["--arq", "mine:Broken"], 1, "Broken.handle failed: ZeroDivisionError: division by zero (line 9 of mine.py)"),
        (["--arq", "mine:Mute"], 1, "Mute.handle returned None: it returns a list of outputs"),
        (["--arq", "mine:Odd"], 1, "Odd.handle put out 'hello': outputs are Transmit, Deliver, Dropped and Failed"),
        (["--arq", "mine:Timeless"], 1, "Timeless has no deadline: ns, or None where it waits for nothing"),
        (["--arq", "mine:Untold"], 1, "Untold has no handle(event, now)"),
        (["nowhere", "--arq", "go-back-n"], 1, "nowhere: there is no such file and no such scenario"),
        (["--arq", "go-back-n", "--link", "loss=x"], 2, "--link: loss: 'x' is not a probability"),
        (["--arq", "go-back-n", "--lasts", "5"], 2, "'5' is not a duration: write it with its unit"),
        (["--arq", "go-back-n", "--lasts", "0s"], 2, "0s is too short: write 10s"),
        (["--arq", "go-back-n", "--window", "0"], 2, "write a whole number, 1 to 4096"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(
    arguments: list[str], status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert race(*arguments) == status
    told = capsys.readouterr()
    assert told.out == ""
    assert said in told.err
    assert len(told.err.splitlines()) == 1
