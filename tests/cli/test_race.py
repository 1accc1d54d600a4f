"""`netlab race` as it is typed: rightly, wrongly, and with what students bring."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from netlab.cli import main
from netlab.cli import race as race_command

STUDENTS = """
from netlab.protocols.arq import GoBackN
from netlab.protocols.congestion import CongestionControl, Reno

class MyArq(GoBackN):
    pass

class MyControl(Reno):
    pass

class Shut(Reno):
    def on_loss(self, flight_size, now):
        self.cwnd = 0

class Partly(Reno):
    def on_ack(self, ack, now):
        self.cwnd += 0.5

class Raises(Reno):
    def on_ack(self, ack, now):
        raise KeyError("cwnd")

class Lacks:
    def __init__(self, *, mss):
        self.cwnd = 10 * mss

class NoWindow(CongestionControl):
    def __init__(self, *, mss):
        pass

class NoMss(Reno):
    def __init__(self):
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


def test_controls_race_and_ones_own_among_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert race("--cc", "reno,mine:MyControl", "--seed", "7", "--lasts", "5s") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("seed 7")
    assert [line.split()[0] for line in lines[3:5]] == ["reno", "MyControl"]
    assert lines[6].startswith("fairness (Jain) ")
    assert lines[7] == "5s, all from the beginning"
    assert race("--cc", "reno", "--seed", "7", "--lasts", "1s", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["jain"], told["flows"][0]["name"], told["flows"][0]["share"]) == (1.0, "reno", 1.0)


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
        (
            ["--arq", "tahoe"],
            2,
            "--arq tahoe: there is no such ARQ: they are stop-and-wait, go-back-n, selective-repeat,",
        ),
        (["--arq", "gobackn"], 2, "--arq gobackn: there is no such ARQ: did you mean go-back-n?"),
        (["--arq", "yours:MyArq"], 1, "there is no yours.py in the current folder"),
        (["--arq", "mine:Yours"], 1, "mine has no class Yours: it has MyArq, MyControl, "),
        (["--arq", "my-arq:MyArq"], 1, "'my-arq:MyArq' is not of the form my_module:MyClass"),
        (
            ["--arq", "unfinished:MyArq"],
            1,
            "unfinished.py cannot be loaded: SyntaxError: '(' was never closed (line 1)",
        ),
        (["--arq", "mine:Broken"], 1, "Broken.handle failed: ZeroDivisionError: division by zero (line 37 of mine.py)"),
        (["--arq", "mine:Mute"], 1, "Mute.handle returned None: it returns a list of outputs"),
        (["--arq", "mine:Odd"], 1, "Odd.handle put out 'hello': outputs are Transmit, Deliver, Dropped and Failed"),
        (["--arq", "mine:Timeless"], 1, "Timeless has no deadline: ns, or None where it waits for nothing"),
        (["--arq", "mine:Untold"], 1, "Untold has no handle(event, now)"),
        (["--cc", "vegas"], 2, "--cc vegas: there is no such congestion control: they are reno, cubic, bbr, none, or"),
        (["--cc", "cubic,renoo"], 2, "--cc renoo: there is no such congestion control: did you mean reno?"),
        (["--cc", "mine:Shut"], 1, "Shut.on_loss set cwnd to 0: it is whole bytes, and at least one segment of 1448 B"),
        (["--cc", "mine:Partly"], 1, "Partly.on_ack set cwnd to 14480.5"),
        (["--cc", "mine:Raises"], 1, "Raises.on_ack failed: KeyError: 'cwnd' (line 21 of mine.py)"),
        (["--cc", "mine:Lacks"], 1, "Lacks has no on_sent: derive the class from netlab.protocols.congestion.Reno"),
        (["--cc", "mine:NoWindow"], 1, "NoWindow.__init__ sets no cwnd"),
        (["--cc", "mine:NoMss"], 1, "NoMss.__init__ failed: TypeError"),
        (["perfect", "--cc", "reno"], 1, "the link has no rate, so there is nothing to share"),
        (["--arq", "go-back-n", "--link", "loss=1%"], 1, "the link takes no time, so there is no race"),
        (["--cc", "reno", "--arq", "go-back-n"], 2, "say who races"),
        (["--cc", "reno", "--window", "3"], 2, "--window and --min-rto are for --arq"),
        (["--arq", "go-back-n", "--start-apart", "1s"], 2, "--start-apart is for --cc"),
        (["--cc", "reno,reno", "--start-apart", "50s"], 2, "the last would begin after the end"),
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


@pytest.mark.parametrize(("width", "lines"), [(None, 2), (80, 2), (30, 3)])
def test_a_table_that_is_too_wide_is_turned(width: int | None, lines: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(race_command, "terminal_width", lambda: width)
    shown = race_command.table(["", "goodput", "queueing p50"], [["reno", "1,234 kbit/s", "44.0 ms"]])
    assert len(shown) == lines
    assert max(map(len, shown)) <= (width or 80)
    assert [line.split()[0] for line in shown] == (
        ["goodput", "reno"] if lines == 2 else ["reno", "goodput", "queueing"]
    )
