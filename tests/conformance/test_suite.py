"""The suite on the transports that netlab has: they are what they say they are; and what becomes of its processes."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from netlab.conformance.evidence import PROMISES
from netlab.conformance.subject import SUBJECTS

NETLAB = [sys.executable, "-c", "from netlab.cli import main; main()"]


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_every_transport_is_what_it_says() -> None:
    done = subprocess.run([*NETLAB, "guarantees", "--json", "--seed", "1"], capture_output=True, check=False)
    assert done.stdout, done.stderr.decode()
    table = msgspec.json.decode(done.stdout)
    rows = {(row["guarantee"], row["transport"]): row for row in table["rows"]}
    assert set(rows) == {(guarantee, transport) for guarantee in PROMISES for transport in SUBJECTS}
    assert [row for row in rows.values() if not row["good"]] == []
    assert (done.returncode, table["good"], table["mode"], table["seed"]) == (0, True, "quick", 1)
    assert b"Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs pidfd_open (Linux) to wait for processes of others")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_no_process_is_left_when_the_suite_is_ended(number: signal.Signals, status: int) -> None:
    command = [*NETLAB, "guarantees", "--transport", "udp", "--only", "boundaries", "--only", "blackout"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as suite:
        roles: list[int] = []
        while len(roles) < 10:  # of two scenes, five roles each; the timeout of the test ends a suite that starts fewer
            assert suite.poll() is None
            roles = children_of(suite.pid)
        watched = [os.pidfd_open(pid) for pid in roles]
        suite.send_signal(number)
        assert suite.wait(30) == status
        for role in watched:
            readable, _, _ = select.select([role], [], [], 30)  # a pidfd is readable when its process has ended
            assert readable, "a role outlived the suite"
            os.close(role)
        assert suite.stderr is not None
        assert b"Traceback" not in suite.stderr.read()


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
