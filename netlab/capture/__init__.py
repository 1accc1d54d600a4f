"""Seeing: live capture without root, capture files, and packets taken apart layer by layer.

    netlab.capture.read("chat.pcapng").packet(7).layers
    netlab.capture.read("chat.pcapng").where(protocol="tcp").columns.payload_len

    async for packet in netlab.capture.watch(["curl", "http://127.0.0.1:8000"]): ...

Read `live` for capturing, `watching` for looking on meanwhile, `files` for reading, `columns` for all packets at once,
`streams` and `messages` for what was said, `layers` for taking one apart, `models` for where each layer stands, and
`scapy_layers` for `NetlabPacket` in scapy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netlab.capture.files import Capture, CapturedPacket, read
    from netlab.capture.live import LiveCapture, capture_command, capture_command_async
    from netlab.capture.watching import watch

__all__ = ["Capture", "CapturedPacket", "LiveCapture", "capture_command", "capture_command_async", "read", "watch"]

_WHERE = {"Capture": "files", "CapturedPacket": "files", "read": "files", "watch": "watching"}


def __getattr__(name: str) -> Any:
    """Import a name of `__all__` where it is used: the process that captures needs none of them."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_WHERE.get(name, 'live')}"), name)
