"""One lane of the bench: a chat over one transport, across a simulated link of its own.

    client (ann) ======= link ======= server (the hub, and bob beside it)

ann and bob are netlab's own clients, the hub is netlab's own, and the transport is the very code that runs on sockets.
While they come in, the link is as slow as it is at first and loses nothing; when everybody is in the room and the link
is empty, it is 0 o'clock: the link is what the script says, and ann says what was typed. Only what is done by hand
happens before that too. bob does not cross the link, so what he hears is what came across.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from netlab.errors import NetlabError
from netlab.network.link_config import Fate, LinkConfig
from netlab.network.recording import Recording
from netlab.network.seeds import seeded_entropy, seeded_simulation
from netlab.network.simulator import Passage, Simulation
from netlab.network.virtual_loop import run as run_loop
from netlab.network.virtual_loop import virtual_loop
from netlab.protocols.trace import Decision
from netlab.scenarios.bench.script import BACK, CLIENT, SERVER, THERE, Over, Script, Text
from netlab.scenarios.flows.chat import CHAT_OVER_TCP
from netlab.scenarios.simulated import EPOCH
from netlab.transports import Chat, HubShell, connect, serve
from netlab.units import MS, US, Ns, S, format_duration

ROOM, ANN, BOB = "lobby", "ann", "bob"
SAY = "say"
"""What ann's events are called."""

PORT, BESIDE = 9001, 9000
"""Where the lane's transport listens, and where bob comes in."""

LATEST_START: Ns = 60 * S
"""Who is not in the room by then does not come in."""

_TELLING = frozenset({"retransmit", "loss", "recovered", "undo", "rto", "probe", "failed"})
"""Decisions of TCP of which the timeline says why."""

_QUIET: Ns = 300 * MS
"""The link is empty for so long before it is 0 o'clock: what may wait for an acknowledgement has none to wait for."""
_LOOK_EVERY: Ns = 50 * MS


class Said(msgspec.Struct, kw_only=True):
    """Something that ann said.

    Attributes:
        outcome: `ok`, `failed`, `unknown`; None where the run ended before it was known.
        ended: when it was.
    """

    at: Ns
    text: str
    outcome: str | None = None
    ended: Ns | None = None


class Heard(msgspec.Struct, frozen=True):
    """Something that bob heard."""

    at: Ns
    text: str


class State(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an end of the connection is in, from `at` on, in words."""

    at: Ns
    host: str
    words: str
    why: str = ""


class Sent(msgspec.Struct, kw_only=True):
    """One packet on the link, as it was seen.

    Attributes:
        direction, number: its name on the link.
        at: when it was sent, ns of the simulation.
        frame: its bytes, Ethernet's header first.
        record: the number of the capture's record in which it is sent; `place`: of that in what was sent alone.
        damaged: the number of the record that shows it damaged.
        passages: what became of it; empty while it is on its way.
    """

    direction: str
    number: int
    at: Ns
    frame: bytes
    record: int
    place: int
    damaged: int | None = None
    passages: list[Passage] = []


class Ran(msgspec.Struct, kw_only=True):
    """What came of one lane. Times are ns of the simulation.

    Attributes:
        over: its transport.
        zero: when it was 0 o'clock; None where ann did not come in.
        ended: when the run ended.
        broken: why it was over before: nobody came in, or the connection broke.
        pcapng: everything that was seen on both hosts and both directions of the link.
        spoken: of that, only what each host sent.
    """

    over: Over
    zero: Ns | None = None
    ended: Ns = 0
    broken: str = ""
    sent: list[Sent] = []
    said: list[Said] = []
    heard: list[Heard] = []
    states: list[State] = []
    pcapng: bytes = b""
    spoken: bytes = b""


def run_lane(script: Script, over: Over) -> Ran:
    """Run one lane of a script from its beginning to its end."""
    try:
        return _Lane(script, over).run()
    except ImportError as error:  # WebSocket's library, where only the simulated world is installed
        return Ran(over=over, broken=f"{error.name} is not installed here")


class _Looking:
    """Looks at both hosts and at both directions of the link."""

    def __init__(self, simulation: Simulation, comment: str, moved: Callable[[], None]) -> None:
        self.recording, self.spoken = Recording(comment=comment, epoch=EPOCH), Recording(epoch=EPOCH)
        self.sent: dict[tuple[str, int], Sent] = {}
        self._counts = {THERE: 0, BACK: 0}
        self._damaged: int | None = None
        self._moved = moved
        for point in (CLIENT, THERE, BACK, SERVER):
            simulation.tap(point, self)
        for direction in (THERE, BACK):
            simulation.watch(direction, self.passed)

    def seen(self, point: str, at: Ns, frame: bytes, comment: str | None, *, outbound: bool | None) -> None:
        """As `simulator.Tap`. The n-th frame that a host sends is the n-th that comes to its direction of the link."""
        self.recording.seen(point, at, frame, comment, outbound=outbound)
        if outbound:
            direction = THERE if point == CLIENT else BACK
            self._counts[direction] = number = self._counts[direction] + 1
            self.spoken.seen(point, at, frame, None, outbound=True)
            record, place = self.recording.frames, self.spoken.frames
            self.sent[direction, number] = Sent(
                direction=direction, number=number, at=at, frame=frame, record=record, place=place
            )
        elif outbound is None and comment is not None and comment.startswith("damaged"):
            self._damaged = self.recording.frames  # whose it is, `passed` is told next

    def passed(self, passage: Passage) -> None:
        """As `simulator.Watcher`."""
        sent = self.sent[passage.direction, passage.number]
        sent.passages.append(passage)
        if passage.corruption is not None:
            sent.damaged = self._damaged
        self._moved()


def _come(moment: asyncio.Future[None]) -> None:
    if not moment.done():  # cancelled, where nobody waits for it any more
        moment.set_result(None)


class _Lane:
    def __init__(self, script: Script, over: Over) -> None:
        self._script = script
        self._over = over
        self._links = script.links()
        self._fates = script.fates_in(over)
        self._simulation = simulation = seeded_simulation(script.seed)
        simulation.trace = self._decided
        self._client, self._server = simulation.host(CLIENT), simulation.host(SERVER)
        for host in (self._client, self._server):
            host.tcp.config = CHAT_OVER_TCP
        there, back = (self._config(script.coming_in, direction) for direction in (THERE, BACK))
        simulation.connect(self._client, self._server, there, back)
        self._ran = Ran(over=over)
        self._latest: dict[str, State] = {}
        self._home: asyncio.Future[None]
        self._chat: Chat | None = None
        self._looking = _Looking(simulation, f"netlab bench: {over}, seed {script.seed}", self._look_at_rudp)

    def _config(self, config: LinkConfig, direction: str) -> LinkConfig:
        fates: tuple[Fate, ...] = self._fates[direction]
        return msgspec.structs.replace(config, fates=fates)

    def _configure(self, config: LinkConfig) -> None:
        for direction in (THERE, BACK):
            self._simulation.channels[direction].configure(self._config(config, direction))

    def run(self) -> Ran:
        run_loop(self._simulation, self._main())
        return self._ran

    async def _main(self) -> None:
        loop = virtual_loop()
        self._home = loop.create_future()
        listening: asyncio.Future[None] = loop.create_future()
        zero: asyncio.Future[Ns | None] = loop.create_future()
        serving = loop.spawn(self._server, self._serve(listening))
        await asyncio.wait([serving, listening], return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
        ran, script = self._ran, self._script
        talking = loop.spawn(self._client, self._come_in(zero))
        ran.zero = await zero
        if ran.zero is not None:
            await self._play(ran.zero)
            await self._at(ran.zero + script.until)
        # What follows is only for the sake of order, and no part of the run: everybody goes home on a perfect link.
        ran.ended = self._simulation.now
        ran.sent = sorted(self._looking.sent.values(), key=lambda sent: (sent.at, sent.direction, sent.number))
        ran.pcapng, ran.spoken = self._looking.recording.pcapng(), self._looking.spoken.pcapng()
        self._home.set_result(None)
        for channel in self._simulation.channels.values():
            channel.configure(LinkConfig())
        await talking
        await serving

    def _at(self, when: Ns) -> asyncio.Future[None]:
        """Done at that time exactly."""
        future: asyncio.Future[None] = virtual_loop().create_future()
        self._simulation.call_at(when, _come, future)
        return future

    # Coming in

    async def _serve(self, listening: asyncio.Future[None]) -> None:
        """The hub, and bob beside it."""
        seed = self._script.seed
        hub = HubShell(entropy=seeded_entropy(seed, "hub"), wall_clock=lambda: EPOCH + self._simulation.now)
        beside = f"udp://127.0.0.1:{BESIDE}"
        async with (
            serve(f"{self._over}://0.0.0.0:{PORT}", hub=hub),
            serve(beside, hub=hub),
            connect(beside, name=BOB, entropy=seeded_entropy(seed, BOB)) as bob,
        ):
            bob.on(SAY)(self._hear)
            await bob.join(ROOM)
            listening.set_result(None)
            await self._home

    def _hear(self, text: str) -> None:
        if not self._home.done():
            self._ran.heard.append(Heard(self._simulation.now, text))

    async def _come_in(self, zero: asyncio.Future[Ns | None]) -> None:
        url = f"{self._over}://{SERVER}:{PORT}"
        try:
            async with asyncio.timeout(LATEST_START / S) as patience:
                async with connect(url, name=ANN, entropy=seeded_entropy(self._script.seed, ANN)) as chat:
                    self._chat = chat
                    await chat.join(ROOM)
                    await self._settle()
                    patience.reschedule(None)
                    zero.set_result(self._simulation.now)
                    await self._home
        except (NetlabError, TimeoutError) as error:
            self._ran.broken = str(error) or f"not in the room within {LATEST_START // S} s"
            zero.set_result(None)

    async def _settle(self) -> None:
        """Until nothing was on the link for a while."""
        links = [channel.link for channel in self._simulation.channels.values()]
        quiet: Ns = 0
        while quiet < _QUIET:
            await self._at(self._simulation.now + _LOOK_EVERY)
            quiet = 0 if any(link.account.held for link in links) else quiet + _LOOK_EVERY

    # From 0 o'clock

    async def _play(self, zero: Ns) -> None:
        """What the script says, in order; where things happen at the same time, the link changes first."""
        steps: list[tuple[Ns, int, LinkConfig | Text]] = [(at, 0, config) for at, config in self._links]
        steps += [(text.at, 1, text) for text in self._script.texts]
        for at, _, step in sorted(steps, key=lambda step: step[:2]):
            if at > self._script.until:
                break
            await self._at(zero + at)
            if isinstance(step, LinkConfig):
                self._configure(step)
            else:
                virtual_loop().spawn(self._client, self._say(step.text))

    async def _say(self, text: str) -> None:
        assert self._chat is not None
        said = Said(at=self._simulation.now, text=text)
        self._ran.said.append(said)
        outcome = await self._chat.emit(SAY, text, to=ROOM, skip_self=True)
        if not self._home.done():
            said.outcome, said.ended = outcome.status, self._simulation.now

    # What is seen of the ends

    def _decided(self, decision: Decision) -> None:
        """As `trace.Trace`: what TCP decides, on either host."""
        words = [word for word in (decision.state, decision.phase) if word]
        if decision.rto is not None:
            words.append(f"rto {format_duration(decision.rto)}")
        if decision.cwnd is not None:
            words.append(f"cwnd {decision.cwnd} B")
        why = decision.why if decision.cause in _TELLING else ""
        self._note(State(decision.at, decision.who.partition(":")[0], ", ".join(words), why))

    def _look_at_rudp(self) -> None:
        """What rudp's sender on ann's side has found out, each time that a packet passes."""
        figures = self._chat.figures if self._chat is not None else {}
        if figures:
            trip, rto = (format_duration(figures[key] * US) for key in ("srtt_us", "rto_us"))
            words = f"rtt {trip}, rto {rto}, cwnd {figures['cwnd']} B, sent again {figures['retransmissions']}"
            self._note(State(self._simulation.now, CLIENT, words))

    def _note(self, state: State) -> None:
        before = self._latest.get(state.host)
        if self._home.done():
            return
        if before is None or before.words != state.words or state.why:
            self._latest[state.host] = state
            self._ran.states.append(state)
