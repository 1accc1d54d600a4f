"""The line between the calling process and the capturing one."""

from __future__ import annotations

import socket
import threading

import pytest

from netlab.capture import orders


def test_who_does_not_wait_is_told_that_nothing_is_there() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        late = threading.Timer(2, orders.send, (theirs, orders.Stop()))  # so that a wait ends, and is seen
        late.start()
        with pytest.raises(BlockingIOError):
            orders.receive(ours, wait=False)
        late.cancel()
        orders.send(theirs, orders.Stop())
        assert orders.receive(ours, wait=False) == (b'{"type":"stop"}', [])
        assert ours.getblocking()
