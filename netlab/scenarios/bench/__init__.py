"""The bench: one text over four transports side by side, each across its own copy of the same emulated link.

Read `script` for what a run is made of, `lane` for how one transport's lane runs, `timeline` for what comes back.
"""

from netlab.scenarios.bench.looked_at import capture, packet
from netlab.scenarios.bench.script import BadScript, Script, read_script
from netlab.scenarios.bench.timeline import Timeline, timeline

__all__ = ["BadScript", "Script", "Timeline", "capture", "packet", "read_script", "timeline"]
