"""Experiments: what sends what to whom over which network, as one TOML file, and what came of it.

Read `scenario` for what a file says, `flows` for what can be sent, `worlds` for where it can run, `simulated` for how
it runs on the virtual clock. The files in `ready/` come with the package.
"""

from netlab.scenarios.quantities import BadScenario
from netlab.scenarios.scenario import Scenario, load, parse_scenario, ready
from netlab.scenarios.worlds import CannotRun, Ran, run

__all__ = ["BadScenario", "CannotRun", "Ran", "Scenario", "load", "parse_scenario", "ready", "run"]
