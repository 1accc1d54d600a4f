"""A host whose kernel has no address: a program takes its frames, and Linux at the other end believes it."""

from __future__ import annotations

import json
import shutil

import pytest

from netlab.packets.capture_file import read_records

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("ping") is None, reason="ping is not installed"),
]

RESPONDER = """
import asyncio
from ipaddress import IPv4Address
from netlab.network.link_end import LinkEnd
from netlab.packets import ethernet, ipv4
from netlab.packets.checksum import internet_checksum

OWN = IPv4Address("10.0.0.2").packed

def answer(frame):
    came = ethernet.decode(frame)
    if came.ethertype == ethernet.EtherType.ARP:  # RFC 826: who has OWN?
        head, asker, asker_ip, target = came.payload[:6], came.payload[8:14], came.payload[14:18], came.payload[24:28]
        if came.payload[6:8] == b"\\0\\1" and target == OWN:
            said = head + b"\\0\\2" + end.address + OWN + asker + asker_ip
            end.write(ethernet.encode(ethernet.EthernetFrame(asker, end.address, came.ethertype, said)))
    elif came.ethertype == ethernet.EtherType.IPV4:
        packet = ipv4.decode(came.payload)
        if packet.protocol == 1 and packet.payload[0] == 8:  # RFC 792: echo
            body = b"\\0\\0\\0\\0" + packet.payload[4:]
            body = body[:2] + internet_checksum(body).to_bytes(2, "big") + body[4:]
            back = ipv4.Ipv4Packet(packet.destination, packet.source, 1, body)
            said = ipv4.encode(back)
            end.write(ethernet.encode(ethernet.EthernetFrame(came.source, end.address, came.ethertype, said)))

end = LinkEnd("eth0")
assert end.mtu == 1500 and end.address == bytes.fromhex("020000000002")
loop = asyncio.new_event_loop()
end.attach(loop, lambda frames: [answer(frame) for frame in frames])
loop.run_forever()
"""

RUN = f"""
import json, os, subprocess, sys
from netlab.network.link_options import parse_link
from netlab.network.testbed import Testbed

file = os.open("end.pcapng", os.O_RDWR | os.O_CREAT)
connect = "import socket; socket.create_connection(('10.0.0.2', 7), 0.3)"
script = "ping -c 20 -i 0.02 -W 1 10.0.0.2 >pinged; echo $? >status; $0 -c \\"$1\\" 2>refused; true"
command = ["sh", "-c", script, sys.executable, connect]
bed = Testbed(
    command, parse_link("delay=2ms"), seed=7, peer=[sys.executable, "-c", {RESPONDER!r}], bare="B", capture=file
)
result = bed.run()
said = [open(name).read() for name in ("pinged", "status", "refused")]
print(json.dumps([*said, result.accounts["A>B"].arrived]))
"""


def test_linux_pings_a_stack_of_our_own_through_the_link(user):
    pinged, status, refused, crossed = user.run(RUN)
    assert "20 packets transmitted, 20 received" in pinged
    assert status == "0\n"
    assert "TimeoutError" in refused  # nobody answers, the kernel neither
    assert crossed >= 21  # the echoes, and an ARP request
    records = list(read_records((user.home / "end.pcapng").read_bytes()))
    from_b = [record.data for record in records if record.interface.name == "B>A"]
    # One answer to ARP and one to each echo: the kernel of B adds nothing, no reset either for the connection tried.
    kinds = [json.dumps([frame[12:14].hex(), frame[23] if frame[12:14] == b"\x08\x00" else None]) for frame in from_b]
    assert set(kinds) == {'["0806", null]', '["0800", 1]'}
    assert kinds.count('["0800", 1]') == 20
