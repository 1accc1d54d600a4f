"""What tshark must be told about traffic whose ports the kernel chose."""

from __future__ import annotations

HEADERS_ONLY = ["-d", "tcp.port==1-65535,data", "-d", "udp.port==1-65535,data"]
"""Some ports that a kernel hands out belong to protocols that tshark knows (34980: EtherCAT), which call our payload
malformed. So what a port carries is data, and only the headers below it are judged."""
