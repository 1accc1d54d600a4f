"""The network: links that lose, delay and reorder, and hosts on a virtual clock.

All pure, but for `virtual_loop`, `virtual_endpoint`, `virtual_stream`, `seeds`, and what belongs to `proxy` and
`testbed`.

Read `link` first, then `simulator`. `link_config` says what a link can do, `link_options` how people write it
(`loss=1% delay=20ms`); `impairments`, `queues`, `rates` and `delays` are what a link is made of, in the order in which
a packet meets them. `virtual_loop` is an asyncio loop on the simulator's clock; `proxy` puts a link into the real
world, before anybody's UDP program, and `testbed` between two hosts with the kernel's own TCP.
"""

from netlab.network.link import Link
from netlab.network.link_config import BadLink, LinkConfig
from netlab.network.link_options import parse_link
from netlab.network.simulator import Simulation

__all__ = ["BadLink", "Link", "LinkConfig", "Simulation", "parse_link"]
