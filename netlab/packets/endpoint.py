"""Where a chat is reached: the ports it has unless told otherwise, and a host with its port as text."""

from __future__ import annotations

DEFAULT_PORTS = {"tcp": 9000, "tls": 9000, "udp": 9001, "rudp": 9002, "ws": 9003, "wss": 9003, "sio": 9004}
"""By URL scheme."""

ENCRYPTED = {"tcp": "tls", "ws": "wss"}
"""The scheme of the same transport inside TLS."""


def format_host_port(host: str, port: int) -> str:
    """`host:port`, with brackets around an IPv6 address.

    >>> format_host_port("127.0.0.1", 9000), format_host_port("::1", 9000)
    ('127.0.0.1:9000', '[::1]:9000')
    """
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
