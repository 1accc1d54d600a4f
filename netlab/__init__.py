"""netlab: a teaching lab for TCP and UDP.

Start with `netlab demo` on the command line, or here with `netlab.serve` and `netlab.connect`. What a submodule needs
is imported when it is used: `import netlab` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netlab.transports import connect, serve

__all__ = ["connect", "serve"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("netlab.transports"), name)
    if name in ("packets", "chat", "protocols", "transports", "capture", "conformance", "network", "scenarios"):
        return import_module(f"netlab.{name}")
    raise AttributeError(f"module 'netlab' has no attribute {name!r}")
