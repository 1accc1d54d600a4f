"""Experiments: what sends what to whom over which network, as one TOML file, and what came of it.

Read `scenario` for what a file says, `simulated` for how it is run on the virtual clock. The files in `ready/` come
with the package.
"""

from netlab.scenarios.scenario import BadScenario, Scenario, load, parse_scenario, ready
from netlab.scenarios.simulated import run

__all__ = ["BadScenario", "Scenario", "load", "parse_scenario", "ready", "run"]
