"""The testbed without its link: one thread that takes frames and sends them on. `testbed.py` runs it beside."""

from __future__ import annotations

from netlab.network import testbed_inside
from netlab.network.testbed_inside import BATCH


class BareTestbed(testbed_inside.Testbed):
    """Forwards, and nothing else."""

    def _forward(self, direction: testbed_inside._Direction) -> None:
        take, send = direction.source.take, direction.sink.send
        for _ in range(BATCH):
            frame = take()
            if frame is None:
                return
            send(frame)


def main(arguments: list[str]) -> None:
    """Entry of the process."""
    testbed_inside.main(arguments, BareTestbed)
