"""Captures that come with the package, for where no live one can be had: `chat-tcp` and `chat-udp`, made by
`netlab demo` itself; `websocket`, an upgrade, texts, a ping and a close between a client and a server of `websockets`;
`socketio`, two people in a room of a Socket.IO server, one over WebSocket and one over polling. The last two are made
by `docs/make_captures.py`.
"""

from __future__ import annotations

import importlib.resources
from pathlib import Path

from netlab.capture.files import Capture, read
from netlab.errors import CaptureError


def names() -> list[str]:
    """What is recorded, by name."""
    here = importlib.resources.files(__name__)
    return sorted(entry.name.removesuffix(".pcapng") for entry in here.iterdir() if entry.name.endswith(".pcapng"))


def recorded(name: str) -> Capture:
    """The recorded capture of this name.

    Raises:
        CaptureError: there is none of this name; the message says which there are.
    """
    with importlib.resources.as_file(importlib.resources.files(__name__) / f"{Path(name).name}.pcapng") as path:
        if not path.is_file():
            raise CaptureError(f"no capture {name!r} is recorded, there are: {', '.join(names()) or 'none'}")
        return read(path)


def copy(name: str, file: Path) -> None:
    """Put a copy of the recorded capture of this name at `file`."""
    file.write_bytes((importlib.resources.files(__name__) / f"{name}.pcapng").read_bytes())
