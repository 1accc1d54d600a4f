"""What follows from evidence, the table it makes, and how subjects are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from netlab.conformance import EXPERIMENTS, SUBJECTS, Evidence, UnknownSubject, load_subject
from netlab.conformance.compare import Receiver
from netlab.conformance.connected import binomial
from netlab.conformance.evidence import LOSS, PROMISES, Row, judge, not_carried_out, promised
from netlab.conformance.subject import absolute_spec
from netlab.conformance.table import as_markdown, as_text, summary

TCP, UDP = SUBJECTS["tcp"], SUBJECTS["udp"]

# kept, seen missing, of tcp (which promises it), of udp (which does not)
JUDGED = [
    (True, None, "holds", "not shown missing"),
    (False, None, "broken", "missing, as declared"),
    (False, True, "broken", "missing, as declared"),
    (False, False, "broken", "not shown missing"),  # lost more than the dice did: nothing is as it should be
    (True, False, "holds", "not shown missing"),
]


@pytest.mark.parametrize(("kept", "missing", "tcp", "udp"), JUDGED)
def test_verdicts(kept: bool, missing: bool | None, tcp: str, udp: str) -> None:
    evidence = Evidence(guarantee=LOSS, kept=kept, missing=missing, seen="")
    assert [judge(subject, evidence).verdict for subject in (TCP, UDP)] == [tcp, udp]


def test_an_experiment_that_failed_is_good_for_nobody() -> None:
    rows = [judge(subject, not_carried_out(LOSS, "the hub fell over")) for subject in (TCP, UDP)]
    assert [row.verdict for row in rows] == ["broken", "not shown missing"]
    assert not any(row.good for row in rows)
    assert "the hub fell over" in rows[0].seen


def test_every_guarantee_of_the_table_is_tried_over_every_link() -> None:
    for experiments in EXPERIMENTS.values():
        tried = [guarantee for experiment in experiments.values() for guarantee in experiment.guarantees]
        assert sorted(tried) == sorted(PROMISES)


def test_what_each_transport_promises_is_what_the_limits_say() -> None:
    assert all(promised(subject, guarantee) for guarantee in PROMISES for subject in (TCP, SUBJECTS["rudp"]))
    assert [guarantee for guarantee in PROMISES if promised(UDP, guarantee)] == ["boundary", "integrity", "too big"]


def row(guarantee: str, transport: str, verdict: str, seen: str = "9 of 9") -> Row:
    return Row(
        guarantee=guarantee, transport=transport, promised=True, promise="0", seen=seen, verdict=verdict  # type: ignore[arg-type]
    )  # fmt: skip


ROWS = [
    row("duplicates", "tcp", "holds"),
    row("duplicates", "udp", "missing, as declared", "a | b"),
    row("boundary", "udp", "broken"),
]


def test_the_table_in_markdown() -> None:
    assert as_markdown(ROWS).splitlines() == [
        "| | tcp | udp |",
        "| --- | --- | --- |",
        "| duplicates | **0** (holds): 9 of 9 | **0** (missing, as declared): a \\| b |",
        "| boundary |  | **0: BROKEN**: 9 of 9 |",
    ]


def test_the_table_as_text_names_every_row_and_keeps_its_width() -> None:
    text = as_text([*ROWS, row("integrity", "udp", "holds", "word " * 60)], width=100)
    assert [line for line in text.splitlines() if line and not line.startswith(" ")] == [
        "duplicates",
        "boundary",
        "integrity",
    ]
    assert max(map(len, text.splitlines())) <= 100


def test_the_summary() -> None:
    assert summary(ROWS[:2]) == "all 2 rows as declared"
    assert summary(ROWS) == "1 of 3 promises broken, 0 missing guarantees not shown missing"
    assert summary([]) == "nothing was tried"


def test_the_proof_of_loss_counts_in_standard_deviations() -> None:
    proof = binomial(Receiver(name="r0", by_length={100: 5001}), 100, 10_000, 2, calibrations=1)
    assert (proof["heard"], proof["expected"]) == (5000, 4900.0)
    assert proof["sigmas"] == pytest.approx(100 / 49.99, abs=0.01)  # sqrt(10,000 x 0.49 x 0.51)


def test_subjects_are_found_by_name_and_by_file(tmp_path: Path) -> None:
    assert load_subject("tcp") is TCP
    file = tmp_path / "mine.py"
    file.write_text(
        "import msgspec\nfrom netlab.conformance import SUBJECTS\n"
        "mine = msgspec.structs.replace(SUBJECTS['udp'], name='mine')\nmade = lambda: mine\nwrong = 7\n"
    )
    assert load_subject(f"{file}:mine").name == "mine"
    assert load_subject(f"{file}:made").name == "mine"


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("quic", "is not one of tcp, ws, sio, rudp, udp"),
        ("no.such.module:mine", "No module named 'no"),
        ("/no/such/file.py:mine", "No such file"),
        ("netlab.conformance.subject:nothing", "nothing"),
        ("netlab.conformance.subject:SUBJECTS", "is a dict, not a"),
    ],
)
def test_what_is_no_subject_says_why(spec: str, why: str) -> None:
    with pytest.raises(UnknownSubject, match=why):
        load_subject(spec)


def test_a_file_is_named_so_that_a_role_finds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute_spec("mine.py:quic") == f"{tmp_path}/mine.py:quic"
    assert [absolute_spec(spec) for spec in ("tcp", "my.module:quic")] == ["tcp", "my.module:quic"]
