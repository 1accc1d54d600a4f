"""Waiting for sockets and a moment at once."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time

import pytest

from netlab.network.precise_wait import PreciseSelector
from netlab.units import MS

ASKS = """
import ctypes, json, os, subprocess, sys
from netlab.network.precise_wait import wake_as_usual, wake_on_time
slack = lambda: ctypes.CDLL(None).prctl(30, 0, 0, 0, 0)
os.nice(3)
wake_on_time()
code = "import ctypes, os; print(ctypes.CDLL(None).prctl(30, 0, 0, 0, 0), os.getpriority(os.PRIO_PROCESS, 0))"
child = subprocess.run([sys.executable, "-c", code], preexec_fn=wake_as_usual, capture_output=True, text=True).stdout
print(json.dumps([slack(), os.getpriority(os.PRIO_PROCESS, 0), child.split()]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux only")
def test_what_is_asked_of_the_kernel_is_the_threads_own():
    said = subprocess.run([sys.executable, "-c", ASKS], capture_output=True, text=True, check=True, timeout=30)
    polite = str(min(os.getpriority(os.PRIO_PROCESS, 0) + 3, 19))
    assert json.loads(said.stdout) == [1, int(polite), ["50000", polite]]


def test_what_is_readable_comes_before_the_moment():
    with contextlib.closing(PreciseSelector()) as selector:
        near, far = socket.socketpair()
        with near, far:
            woken = []
            selector.add(near, lambda: woken.append(near.recv(10)))
            far.send(b"x")
            for take in selector.wait(time.monotonic_ns() + 10_000 * MS):
                take()
            assert woken == [b"x"]
            until = time.monotonic_ns() + 3 * MS
            assert selector.wait(until) == []
            assert time.monotonic_ns() >= until
            selector.remove(near)
            far.send(b"x")
            assert selector.wait(time.monotonic_ns()) == []
