"""Records the captures of WebSocket and Socket.IO that come with the package: `python docs/make_captures.py [NAME...]`.

Each is a talk between a client and a server of the libraries themselves (`websockets`, python-socketio), captured on
loopback by `netlab capture`, which needs no root. What is recorded differs from time to time in ports, keys and times.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
RECORDED = HERE.parent / "netlab" / "capture" / "recorded"


async def websocket() -> None:
    """An upgrade; texts short and long, said back in capitals; a ping; a close."""
    from websockets.asyncio.client import connect
    from websockets.asyncio.server import ServerConnection, serve

    async def shout(connection: ServerConnection) -> None:
        async for text in connection:
            await connection.send(str(text).upper())

    async with (
        serve(shout, "127.0.0.1", 8765, compression=None),
        connect("ws://127.0.0.1:8765/chat", compression=None) as client,
    ):
        await client.send("hi")
        await client.recv()
        await (await client.ping(b"there?"))
        await client.send("x" * 200)
        await client.recv()


async def socketio() -> None:
    """Two people in a room, `ann` over polling and then WebSocket, `bob` over polling alone; an acknowledgement."""
    import socketio
    from aiohttp import ClientSession, web

    server = socketio.AsyncServer(async_mode="aiohttp", cors_allowed_origins=[])
    app = web.Application()
    server.attach(app)
    heard = {"ann": asyncio.Event(), "bob": asyncio.Event()}

    @server.event  # type: ignore[untyped-decorator]
    async def join(sid: str, room: str) -> str:
        await server.enter_room(sid, room)
        return "ok"

    @server.event  # type: ignore[untyped-decorator]
    async def say(sid: str, text: str) -> str:
        await server.emit("said", text, to="lobby", skip_sid=sid)
        return "ok"

    runner = web.AppRunner(app, shutdown_timeout=0.1)  # a poll that hangs is not waited for
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 9004).start()
    sessions = {name: ClientSession() for name in heard}
    people = {name: socketio.AsyncClient(http_session=sessions[name]) for name in heard}
    for name, client in people.items():
        client.on("said", lambda text, name=name: heard[name].set())
    await people["ann"].connect("http://127.0.0.1:9004")
    await people["bob"].connect("http://127.0.0.1:9004", transports=["polling"])
    for client in people.values():
        await client.call("join", "lobby")
    for name, other in (("ann", "bob"), ("bob", "ann")):
        await people[name].call("say", f"hi, I am {name}")
        await heard[other].wait()
    for client in people.values():
        with contextlib.suppress(TimeoutError):  # it waits for a poll that nobody answers any more
            await asyncio.wait_for(client.disconnect(), 0.3)
    for session in sessions.values():
        await session.close()
    await runner.cleanup()


TALKS = {"websocket": websocket, "socketio": socketio}


def main(names: list[str]) -> None:
    """Record these, by default all. As `talk NAME` only hold the talk."""
    if names[:1] == ["talk"]:
        asyncio.run(TALKS[names[1]]())
        return
    for name in names or TALKS:
        talk = [sys.executable, str(Path(__file__)), "talk", name]
        file = RECORDED / f"{name}.pcapng"
        subprocess.run([sys.executable, "-m", "netlab", "capture", "--force", "-o", file, "--", *talk], check=True)
        file.chmod(0o644)


if __name__ == "__main__":
    main(sys.argv[1:])
