"""One colour for each layer of the Internet's model, the same in every figure that shows layers."""

from __future__ import annotations

from netlab.capture.layers import Layer
from netlab.figures.style import Theme

_APART = {
    "netlab packet": "purple",
    "chat event": "yellow",
    "HTTP": "blue",
    "WebSocket": "vermillion",
    "Engine.IO": "purple",
    "Socket.IO": "yellow",
}  # all application layer; those that stand within each other are told apart
_BY_LAYER = {"Link": "orange", "Internet": "sky", "Transport": "green", "Application": "purple"}
_LOAD = {"data", "padding"}


def colour_of(protocol: str, tcp_ip: str, theme: Theme) -> str:
    """The colour of a protocol at this layer of RFC 1122; grey where neither says anything."""
    if protocol in _LOAD:
        return theme.faint
    name = _APART.get(protocol.removesuffix(" (continued)")) or _BY_LAYER.get(tcp_ip)
    return theme.faint if name is None else str(getattr(theme, name))


def layer_colour(layer: Layer, theme: Theme) -> str:
    """The colour of one layer of a packet."""
    return colour_of(layer.protocol, layer.tcp_ip, theme)
