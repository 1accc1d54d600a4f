"""`netlab extcap`: what Wireshark calls. A simulation, or a program in a testbed, as an interface to capture from.

Wireshark asks which interfaces there are, what each can be told, and then to capture: into a pipe that it reads from.

Source: extcap(4).
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click

import netlab as package
from netlab.errors import NetlabError
from netlab.units import Ns, S

SIMULATION, TESTBED = "netlab-simulation", "netlab-testbed"
_INTERFACES = {SIMULATION: "netlab: a simulation", TESTBED: "netlab: a program in a testbed"}
_AT_ONCE, _AS_IT_HAPPENS = "at-once", "as-it-happens"


@click.command("extcap")
@click.option("--extcap-interfaces", "interfaces", is_flag=True, help="Which interfaces there are.")
@click.option("--extcap-dlts", "dlts", is_flag=True, help="Their link types.")
@click.option("--extcap-config", "config", is_flag=True, help="What one can be told.")
@click.option("--extcap-interface", "interface", metavar="NAME", help="The interface that is meant.")
@click.option("--extcap-version", "version", metavar="X.Y", help="Wireshark's.")
@click.option("--extcap-capture-filter", "capture_filter", metavar="FILTER", help="Refused: there is none.")
@click.option("--capture", is_flag=True, help="Capture into --fifo.")
@click.option("--fifo", type=click.Path(path_type=Path), metavar="FILE", help="The pipe that Wireshark reads.")
@click.option("--scenario", default="home-wifi", metavar="NAME", help="Simulation: which.")
@click.option("--scenario-file", metavar="FILE", help="Simulation: one of your own.")
@click.option("--pace", type=click.Choice([_AT_ONCE, _AS_IT_HAPPENS]), default=_AT_ONCE, help="Simulation: how fast.")
@click.option("--seed", metavar="N", help="Of everything random.")
@click.option("--link", "link", metavar="OPTIONS", help='Another link: "loss=1% delay=20ms".')
@click.option("--command", "program", metavar="COMMAND", help="Testbed: what runs on host A.")
@click.option("--peer", metavar="COMMAND", help="Testbed: what runs on host B.")
def command(
    interfaces: bool,
    dlts: bool,
    config: bool,
    interface: str | None,
    version: str | None,
    capture_filter: str | None,
    capture: bool,
    fifo: Path | None,
    **told: str | None,
) -> int:
    """What Wireshark calls to capture from netlab; netlab wireshark --install tells Wireshark of it."""
    if interfaces:
        _say_interfaces()
        return 0
    if interface not in _INTERFACES:
        raise click.UsageError(f"--extcap-interface: there are {', '.join(_INTERFACES)}, not {interface}")
    if dlts:
        print("dlt {number=1}{name=EN10MB}{display=Ethernet}")
        return 0
    if config:
        _say_config(interface)
        return 0
    if not capture or fifo is None:
        raise click.UsageError("say --capture and --fifo, or what is asked: --extcap-interfaces and so on")
    if capture_filter:
        raise click.UsageError("no capture filter can be set here: use a display filter")
    with _opened(fifo) as file:
        given = {key: value.strip() for key, value in told.items() if value is not None and value.strip()}
        return (_simulate if interface == SIMULATION else _run_testbed)(file, given)


# ---- what Wireshark asks ---------------------------------------------------------------------------------------------


def _say_interfaces() -> None:
    print(f"extcap {{version={package.__version__}}}{{display=netlab}}")
    for value, display in _INTERFACES.items():
        print(f"interface {{value={value}}}{{display={display}}}")


def _say_config(interface: str) -> None:
    arguments = _Arguments()
    if interface == SIMULATION:
        from netlab.scenarios import ready

        arguments.say("--scenario", "Scenario", "selector", tooltip="What happens, over which network")
        for name, scenario in ready().items():
            arguments.choice(name, f"{name}: {scenario.about}", is_default=name == "home-wifi")
        arguments.say("--scenario-file", "or one of your own", "fileselect", mustexist="false", tooltip="A TOML file")
        arguments.say("--pace", "Packets come", "selector", tooltip="A virtual clock need not be waited for")
        arguments.choice(_AT_ONCE, "at once", is_default=True)
        arguments.choice(_AS_IT_HAPPENS, "as their times say", is_default=False)
    else:
        say = "Runs on host A, 10.0.0.1; NETLAB_PEER is B's address"
        arguments.say("--command", "Command on A", "string", required="true", default="ping -c 5 10.0.0.2", tooltip=say)
        arguments.say("--peer", "Command on B", "string", tooltip="Such as iperf3 -s; B is 10.0.0.2")
    arguments.say("--link", "Link", "string", tooltip="Such as: loss=1% delay=20ms rate=10mbit")
    arguments.say("--seed", "Seed", "unsigned", tooltip="The same seed throws the same dice")


class _Arguments:
    """Numbers the arguments as they are said."""

    def __init__(self) -> None:
        self._number = -1

    def say(self, call: str, display: str, kind: str, **more: str) -> None:
        self._number += 1
        words = {"number": str(self._number), "call": call, "display": display, "type": kind} | more
        print("arg " + "".join(f"{{{key}={_plain(value)}}}" for key, value in words.items()))

    def choice(self, value: str, display: str, *, is_default: bool) -> None:
        words = {"arg": str(self._number), "value": value, "display": display, "default": str(is_default).lower()}
        print("value " + "".join(f"{{{key}={_plain(text)}}}" for key, text in words.items()))


def _plain(text: str) -> str:
    return text.replace("{", "(").replace("}", ")").replace("\n", " ")


# ---- capturing -------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _opened(fifo: Path) -> Iterator[int]:
    """The pipe, for writing; what Wireshark closes ends the capture and is no error."""
    try:
        if not stat.S_ISFIFO(os.stat(fifo).st_mode):
            raise NetlabError(f"{fifo} is no pipe: Wireshark names one")
        file = os.open(fifo, os.O_WRONLY)
    except OSError as error:
        raise NetlabError(f"{fifo}: {error.strerror}") from None
    try:
        yield file
    except BrokenPipeError:
        return
    finally:
        os.close(file)


def _simulate(file: int, told: dict[str, str]) -> int:
    import msgspec

    from netlab.cli.link_options import SEED, drawn, read_link
    from netlab.scenarios import load, run

    scenario = load(told.get("scenario_file") or told["scenario"])
    if link := told.get("link"):
        read_link(link)
        scenario = msgspec.structs.replace(scenario, link=link, there="", back="")
    seed = drawn(None if "seed" not in told else SEED.convert(told["seed"], None, None))
    _end_when_asked(lambda: sys.exit(0))
    name = told.get("scenario_file") or told["scenario"]
    recording = _Timed(f"netlab simulate {name} --seed {seed}")
    run(scenario, seed=seed, tap=recording, points=("gateway", "gateway>server", "server>gateway", "server"))
    began = time.monotonic_ns()
    for at, blocks in recording.timed():
        wait = at - (time.monotonic_ns() - began)
        if told["pace"] == _AS_IT_HAPPENS and wait > 0:
            time.sleep(wait / S)
        _write_all(file, blocks)
    return 0


class _Timed:
    """A tap that keeps each record with its time, so that they can be told at that pace."""

    def __init__(self, comment: str) -> None:
        from netlab.network.recording import Recording
        from netlab.scenarios.simulated import EPOCH

        self._recording = Recording(comment=comment, epoch=EPOCH)
        self._records: list[tuple[Ns, bytes]] = []

    def seen(self, point: str, at: Ns, frame: bytes, comment: str | None, *, outbound: bool | None) -> None:
        """As `simulator.Tap`."""
        self._recording.seen(point, at, frame, comment, outbound=outbound)
        self._records.append((at, self._recording.take()))

    def timed(self) -> Iterator[tuple[Ns, bytes]]:
        """Each record's time and bytes; what the file begins with comes with the first."""
        yield from self._records or [(0, self._recording.take())]


def _run_testbed(file: int, told: dict[str, str]) -> int:
    from netlab.capture import obstacles
    from netlab.cli.link_options import SEED, drawn, read_link
    from netlab.network.testbed import CannotBuild, Testbed

    programs = {}
    for key in ("program", "peer"):
        try:
            programs[key] = shlex.split(told.get(key, ""))
        except ValueError as error:
            raise click.UsageError(f"{key}: {error}") from None
    if not programs["program"]:
        raise click.UsageError("--command: name what runs on host A, such as ping -c 5 10.0.0.2")
    if sys.platform != "linux":
        raise NetlabError(f"a testbed needs Linux (its network namespaces), and this is {sys.platform}")
    seed = drawn(None if "seed" not in told else SEED.convert(told["seed"], None, None))
    link = read_link(told.get("link", ""))
    bed = Testbed(programs["program"], link, seed=seed, peer=programs["peer"], capture=file)
    _end_when_asked(bed.stop)
    try:
        bed.run()
    except CannotBuild as error:
        raise NetlabError(f"no testbed can be built: {obstacles.explain(obstacles.look(), error.refused)}") from None
    return 0


def _end_when_asked(stop: Callable[[], None]) -> None:
    """Wireshark's button to stop sends SIGTERM, or SIGINT, and that is a good end."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop())


def _write_all(file: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(file, left) :]
