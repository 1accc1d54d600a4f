"""What a scenario sends: one kind of flow a file.

A kind is a class that says what a file may write (`kind = "datagrams"` and its keys, checked when it is made), how many
`clients` it wants, and makes the `flow(place)` that runs. That flow knows nothing of the world it runs in but the
`Place`: `await run()` sends, waits and closes; `summary()` tells. See `flow` for both, `datagrams` for the shortest
example. A new kind is a new file, and its class in `Kind` below.
"""

from __future__ import annotations

from typing import TypeAlias

from netlab.scenarios.flows.bulk import Bulk
from netlab.scenarios.flows.chat import ChatOfPeople
from netlab.scenarios.flows.datagrams import Datagrams

Kind: TypeAlias = Datagrams | Bulk | ChatOfPeople
"""Every kind of flow."""
