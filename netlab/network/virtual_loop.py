"""An asyncio event loop on the simulator's clock: what is written for sockets runs unchanged between simulated hosts.

    simulation = seeded_simulation(7)
    server, ann = simulation.host("server"), simulation.host("ann")
    simulation.connect(ann, server, parse_link("loss=1% delay=20ms"))

    async def main() -> None:
        loop = virtual_loop()
        serving = loop.spawn(server, serve_the_chat())
        await loop.spawn(ann, chat("udp://server:9001"))

    run(simulation, main())

Whatever a task started with `spawn` opens, it opens on its host. Nothing waits in real time: where every task waits,
the clock jumps to what happens next. Where nothing is left to happen, `Deadlock` tells who waits for it.

`run` may be called where another loop is running, as in a notebook: that one stands still meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import sys
import weakref
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextvars import Context, ContextVar, copy_context
from ipaddress import IPv4Address
from typing import Any, TypeVar, TypeVarTuple, cast

from netlab.errors import DeadlineExpired, NetlabError
from netlab.network.hosts import Host
from netlab.network.ip_packet import LOOPBACK
from netlab.network.simulator import Simulation
from netlab.network.tcp_stack import CannotConnect, PortTaken
from netlab.network.virtual_endpoint import VirtualEndpoint
from netlab.network.virtual_stream import VirtualServer, VirtualStream
from netlab.units import Ns, S, format_duration

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_HOST: ContextVar[Host] = ContextVar("host")
_log = logging.getLogger("asyncio")


class Deadlock(NetlabError):
    """Nothing is left to happen, and somebody waits. The message says who, and where."""


def run(simulation: Simulation, main: Coroutine[Any, Any, T], *, until: Ns | None = None) -> T:
    """Run a coroutine on the simulation's clock until it ends; whatever it left behind is cancelled, as in
    `asyncio.run`.

    Args:
        until: when to give up, ns of the virtual clock.

    Raises:
        Deadlock: nothing is left to happen, and it waits.
        DeadlineExpired: it did not end by `until`.
    """
    loop = VirtualLoop(simulation)  # type: ignore[abstract]  # what it lacks says so when it is called
    try:
        return cast(T, loop.run_until_complete(main, until=until))
    finally:
        loop.close()


def virtual_loop() -> VirtualLoop:
    """The running loop, which is a virtual one."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop


class VirtualLoop(asyncio.AbstractEventLoop):
    """An event loop without sockets, threads or waiting."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self._ready: deque[asyncio.Handle] = deque()
        self._running = False
        self._closed = False
        self._failed: BaseException | None = None
        self._handler: Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object] | None = None
        self._generators: weakref.WeakSet[AsyncGenerator[Any, Any]] = weakref.WeakSet()

    # Hosts

    def spawn(self, host: Host, coroutine: Coroutine[Any, Any, T], *, name: str | None = None) -> asyncio.Task[T]:
        """Run a coroutine on a host: whatever it and its children open is opened there."""
        context = copy_context()
        context.run(_HOST.set, host)
        return asyncio.Task(coroutine, loop=self, name=name or f"{host.name} {_name(coroutine)}", context=context)

    @staticmethod
    @contextlib.contextmanager
    def on(host: Host) -> Iterator[None]:
        """Within this block, and in all tasks and connections begun in it, we are on this host."""
        token = _HOST.set(host)
        try:
            yield
        finally:
            _HOST.reset(token)

    # Time and callbacks

    def time(self) -> float:
        return self.simulation.now / S

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        return self.call_soon(callback, *args, context=context)

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self._timer(self.simulation.now + round(delay * S), callback, args, context)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self._timer(round(when * S), callback, args, context)

    def _timer(
        self, at: Ns, callback: Callable[..., object], args: tuple[Any, ...], context: Context | None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(at / S, callback, args, self, context)
        self.simulation.call_at(at, self._due, handle)
        return handle

    def _due(self, handle: asyncio.TimerHandle) -> None:
        if not handle.cancelled():
            self._ready.append(handle)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It stays in the heap, and finds nothing to do."""

    # Tasks

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Any,
        *,
        name: str | None = None,
        context: Context | None = None,
        **options: Any,
    ) -> asyncio.Task[Any]:
        return asyncio.Task(coro, loop=self, name=name, context=context, **options)

    def get_task_factory(self) -> None:
        return None

    # Running

    def run_until_complete(self, future: Any, *, until: Ns | None = None) -> Any:
        """As `run`, which closes the loop afterwards."""
        if self._running or self._closed:
            raise RuntimeError("this loop is running already, or is closed")
        with self._swapped_in():
            task = asyncio.ensure_future(future, loop=self)
            try:
                self._turn(task, until)
            finally:
                if not task.done():
                    task.cancel()
                    self._drain()
                self._cancel_the_rest()
        if self._failed is not None:
            raise self._failed
        return task.result()

    def run_forever(self) -> None:
        raise NotImplementedError("a virtual loop runs until something is complete: use run_until_complete")

    @contextlib.contextmanager
    def _swapped_in(self) -> Iterator[None]:
        """Be the running loop, also where another one is: a notebook's."""
        outer = asyncio._get_running_loop()
        swap_task = getattr(asyncio.tasks, "_swap_current_task", None)  # Python 3.12; 3.11 keeps tasks by loop
        outer_task = swap_task(outer, None) if swap_task and outer is not None else None
        hooks = sys.get_asyncgen_hooks()
        asyncio._set_running_loop(self)
        sys.set_asyncgen_hooks(firstiter=self._generators.add, finalizer=self._close_generator)
        self._running = True
        try:
            yield
        finally:
            self._running = False
            sys.set_asyncgen_hooks(*hooks)
            asyncio._set_running_loop(outer)
            if swap_task and outer is not None:
                swap_task(outer, outer_task)

    def _turn(self, task: asyncio.Future[Any], until: Ns | None) -> None:
        simulation, ready = self.simulation, self._ready
        while True:
            if ready:
                self._drain()
            if task.done() or self._failed is not None:
                return
            if until is not None and (at := simulation.deadline) is not None and at > until:
                raise DeadlineExpired("end of the simulated run", until)
            if not simulation.step():
                raise Deadlock(self._who_waits())

    def _drain(self) -> None:
        ready = self._ready
        while ready:
            handle = ready.popleft()
            if not handle.cancelled():
                handle._run()

    def _cancel_the_rest(self) -> None:
        """Tasks and generators that were left: cancelled, in the order of their names."""
        for task in sorted(asyncio.all_tasks(self), key=asyncio.Task.get_name):
            task.cancel()
        self._drain()
        for generator in list(self._generators):
            self._close_generator(generator)
        self._drain()
        for task in sorted(asyncio.all_tasks(self), key=asyncio.Task.get_name):  # one that waits before it ends
            task.cancel()
        self._drain()

    def _who_waits(self) -> str:
        waiting = sorted(f"{task.get_name()} at {_where(task)}" for task in asyncio.all_tasks(self))
        now = format_duration(self.simulation.now)
        return f"nothing is left to happen at {now} while these wait: {'; '.join(waiting)}"

    def _close_generator(self, generator: AsyncGenerator[Any, Any]) -> None:
        self._generators.discard(generator)
        if not self._closed:
            self.create_task(generator.aclose())

    def stop(self) -> None:
        raise NotImplementedError("a virtual loop runs until something is complete")

    def is_running(self) -> bool:
        return self._running

    def is_closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        self._closed = True
        self._ready.clear()

    async def shutdown_asyncgens(self) -> None:
        pass  # run_until_complete does it

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        pass  # there is none

    # Errors

    def get_debug(self) -> bool:
        return False

    def set_debug(self, enabled: bool) -> None:
        pass

    def set_exception_handler(
        self, handler: Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object] | None
    ) -> None:
        self._handler = handler

    def get_exception_handler(self) -> Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object] | None:
        return self._handler

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """An exception that nobody caught ends the run: a simulation that went on would repeat a mistake exactly."""
        self._failed = self._failed or context.get("exception") or RuntimeError(context["message"])
        _log.error(context["message"], exc_info=context.get("exception"))

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if self._handler is not None:
            self._handler(self, context)
        else:
            self.default_exception_handler(context)

    # Names and sockets

    async def getaddrinfo(  # type: ignore[override]
        self, host: Any, port: Any, *, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> list[tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[str, int]]]:
        """The address of a simulated host by its name, or an IPv4 address as it stands."""
        address = str(IPv4Address(self.address_of(host)))
        kinds = [socket.SOCK_STREAM, socket.SOCK_DGRAM] if type == 0 else [socket.SocketKind(type)]
        return [(socket.AF_INET, kind, proto, "", (address, int(port))) for kind in kinds]

    def address_of(self, name: str | bytes | None) -> int:
        """The 32-bit number of an address, or of the host of that name.

        Raises:
            OSError: no simulated host is called so.
        """
        text = name.decode() if isinstance(name, bytes) else name or "0.0.0.0"
        if text == "localhost":
            return int(IPv4Address("127.0.0.1"))
        found = self.simulation.resolve(text)
        if found is not None:
            return found
        try:
            return int(IPv4Address(text))
        except ValueError:
            raise socket.gaierror(socket.EAI_NONAME, f"no simulated host is called {text!r}") from None

    async def create_datagram_endpoint(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.DatagramProtocol],
        local_addr: tuple[str, int] | None = None,
        remote_addr: tuple[str, int] | None = None,
        **options: Any,
    ) -> tuple[asyncio.DatagramTransport, asyncio.DatagramProtocol]:
        host = self._here()
        peer = None if remote_addr is None else (self.address_of(remote_addr[0]), remote_addr[1])
        local = (self.address_of(local_addr[0]), local_addr[1]) if local_addr else (None, 0)
        endpoint = VirtualEndpoint(self, host, local, peer, protocol_factory())
        return endpoint, endpoint.protocol

    @staticmethod
    def _here() -> Host:
        host = _HOST.get(None)
        if host is None:
            raise RuntimeError("on which host? start the task with spawn(host, ...), or enter `with loop.on(host):`")
        return host

    async def create_connection(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.Protocol],
        host: str | None = None,
        port: int | None = None,
        *,
        ssl: Any = None,
        local_addr: tuple[str, int] | None = None,
        **options: Any,
    ) -> tuple[asyncio.Transport, asyncio.Protocol]:
        """Over the TCP of the host that the task runs on.

        Raises:
            OSError: nobody listens there, or nobody answers.
        """
        _no_tls(ssl)
        waiter: asyncio.Future[None] = self.create_future()
        stream = VirtualStream(self, protocol_factory, waiter)
        local_port = local_addr[1] if local_addr else 0
        stack = self._here().tcp
        try:
            stream.attach(stack.connect(self.address_of(host), port or 0, stream, local_port=local_port))
        except CannotConnect as error:
            raise OSError(errno.EADDRNOTAVAIL, str(error)) from None
        try:
            await waiter
        except asyncio.CancelledError:
            stream.abort()
            raise
        return stream, cast(asyncio.Protocol, stream.get_protocol())

    async def create_server(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.Protocol],
        host: str | None = None,
        port: int = 0,
        *,
        backlog: int = 100,
        ssl: Any = None,
        **options: Any,
    ) -> VirtualServer:
        """At a port of the host that the task runs on.

        Raises:
            OSError: the port is taken, or the address is not this host's.
        """
        _no_tls(ssl)
        here = self._here()
        address = self.address_of(host) or None
        if address not in (None, here.address, LOOPBACK):
            raise OSError(errno.EADDRNOTAVAIL, f"{host} is not an address of {here.name}")
        try:
            return VirtualServer(self, here.tcp, address, port, protocol_factory, backlog)
        except PortTaken as error:
            raise OSError(errno.EADDRINUSE, str(error)) from None

    async def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:  # type: ignore[override]
        raise NotImplementedError("a virtual loop has no threads: they know nothing of its clock")


def _no_tls(ssl: Any) -> None:
    if ssl is not None:
        raise NotImplementedError("a virtual loop has no TLS: what crosses a simulated network shall be seen")


def _name(coroutine: object) -> str:
    return str(getattr(coroutine, "__qualname__", coroutine))


def _where(task: asyncio.Task[Any]) -> str:
    """The innermost place that a task waits at: function and line."""
    place: Any = task.get_coro()
    where = task.get_name()
    while place is not None:
        for kind in ("cr", "ag", "gi"):
            frame = getattr(place, f"{kind}_frame", None)
            if frame is not None:
                where = f"{frame.f_code.co_qualname} line {frame.f_lineno}"
        place = getattr(place, "cr_await", None) or getattr(place, "ag_await", None)
    return where
