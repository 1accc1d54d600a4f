"""The limits of capturing, beside `packets.capture_record.MAX_CAPTURED`. Each is the default of an argument or says why
it is fixed.
"""

from __future__ import annotations

from netlab.units import KIB, MIB, MS, Ns, S

MAX_FILE = 64 * MIB
"""One live capture file, bytes. Beyond it the capture goes on in `name.2.pcapng`, `name.3.pcapng`, ..."""

FILE_MODE = 0o600
"""A capture holds what people said: only its owner reads it."""

RING_SIZES = (32 * MIB, 8 * MIB, 2 * MIB)
"""The ring that the kernel fills, bytes: the first of these that it grants. 2 MiB is libpcap's default."""

RING_BLOCK = 1 * MIB
"""One block of the ring, bytes: at least one record of MAX_CAPTURED and its header."""

RING_RETIRE: Ns = 10 * MS
"""A block that holds a packet is handed over after this, full or not."""

DRAIN_QUIET: Ns = 30 * MS
"""After COMMAND has ended the ring is read until nothing came for this long and the kernel's count is reached."""

DRAIN_LIMIT: Ns = 2 * S
"""And no longer than this."""

STOP_GRACE: Ns = 2 * S
"""From SIGTERM until SIGKILL for COMMAND when a capture is stopped, and for what COMMAND left running."""

SENSOR_PATIENCE: Ns = 10 * S
"""How long the capturing process waits for the next file, and the calling one for the namespace."""

RELAY_UDP_PEERS = 1024
"""Peers of one UDP relay that have a socket of their own; beyond it the one longest idle loses its socket."""

RELAY_CHUNK = 64 * KIB
"""Bytes that a TCP relay reads at once."""

RELAY_DATAGRAM = 65_535
"""The largest datagram that a UDP relay reads, bytes."""

RELAY_BUFFER = 4 * MIB
"""Receive buffer that a UDP relay asks for, bytes (the kernel gives at most net.core.rmem_max)."""

RELAY_FLUSH: Ns = 2 * S
"""After COMMAND has ended, how long a relay goes on delivering what COMMAND had sent."""
