"""The columns there are: what each is called, what it holds, and what stands where a packet has no such thing."""

from __future__ import annotations

from typing import NamedTuple

from netlab.capture.located import NO_TIME

NO_OFFSET = NO_TIME
"""An offset in a stream may be negative: a keep-alive's before anything was sent is -1."""


class Column(NamedTuple):
    """One column.

    Attributes:
        group: columns of one group are computed together, when the first of them is asked for.
        dtype: as numpy writes it; `O` is text.
        unit: of its numbers, or "".
        absent: what stands where a packet has no such field; None where every packet has one.
        meaning: one line.
    """

    group: str
    dtype: str
    unit: str
    absent: int | str | None
    meaning: str


_GROUPS: dict[str, dict[str, tuple[str, str, int | str | None, str]]] = {
    "record": {
        "number": ("i4", "", None, "counts from 1 through the whole file, as Wireshark does; views keep it"),
        "time_ns": ("i8", "ns", NO_TIME, "since 1970-01-01 UTC; in a simulation, the virtual clock"),
        "interface": ("i4", "", None, "where it was seen: an index of `capture.interfaces`"),
        "captured_len": ("i4", "bytes", None, "kept in the file"),
        "original_len": ("i8", "bytes", None, "the packet had on the link"),
        "link_type": ("i4", "", None, "what the bytes begin with, a number of tcpdump.org/linktypes.html"),
    },
    "headers": {
        "ethertype": ("i4", "", -1, "what the link carries, behind any VLAN tags; none below 0x0600"),
        "vlan": ("i2", "", -1, "identifier in the outer VLAN tag"),
        "vlan_inner": ("i2", "", -1, "identifier in the second tag (QinQ)"),
        "ip_version": ("i1", "", -1, "4 or 6"),
        "src": ("i4", "", -1, 'IP source, an index of `columns.addresses`, which has "" at -1'),
        "dst": ("i4", "", -1, "IP destination, likewise"),
        "protocol": ("i2", "", -1, "what IP carries, behind IPv6's extension headers: 6 TCP, 17 UDP, 1 ICMP"),
        "ttl": ("i2", "hops", -1, "time to live; IPv6's hop limit"),
        "identification": ("i8", "", -1, "of IPv4's header or IPv6's fragment header"),
        "fragment_offset": ("i4", "bytes", -1, "where these bytes stand in the whole IP payload; 0 if it is all there"),
        "more_fragments": ("i1", "", -1, "1 where more of it follows, else 0"),
        "sport": ("i4", "", -1, "source port of TCP or UDP"),
        "dport": ("i4", "", -1, "destination port"),
        "flags": ("i2", "", -1, "TCP's 8 control bits: FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE, CWR"),
        "seq": ("i8", "", -1, "TCP's sequence number as it stands there, 32 bits"),
        "ack": ("i8", "", -1, "acknowledgment number, likewise, whether or not flag ACK is set"),
        "window": ("i4", "", -1, "TCP's window as it stands there, not scaled"),
        "link_header_len": ("i2", "bytes", None, "of the link's header with its VLAN tags"),
        "network_header_len": ("i4", "bytes", None, "of IP's header and its options or extension headers; all of ARP"),
        "transport_header_len": (
            "i2",
            "bytes",
            None,
            "of TCP's header with options, UDP's, ICMP's; 0 in later fragments",
        ),
        "payload_len": ("i8", "bytes", None, "carried by the innermost of these, as the headers say, also if cut off"),
        "payload_captured_len": ("i4", "bytes", None, "of it kept in the file"),
    },
    "directions": {
        "direction": ("i1", "", 0, "seen as it came (1) or as it went (2); 0 where nothing says so, as in most files"),
    },
    "flows": {
        "flow": ("i4", "", -1, "which flow: one direction, at one vantage point; numbered as `capture.flows()`"),
        "conversation": ("i4", "", -1, "which conversation: both directions; numbered as `capture.conversations()`"),
    },
    "streams": {
        "stream": ("i4", "", -1, "which TCP stream: one direction of one connection; numbered as `capture.streams()`"),
        "stream_offset": ("i8", "bytes", NO_OFFSET, "where TCP's payload stands in its stream, which begins at 0"),
        "ack_offset": ("i8", "bytes", NO_OFFSET, "what is acknowledged, as an offset in the other direction's stream"),
        "repeated_len": ("i8", "bytes", None, "of TCP's payload that an earlier packet of the stream had carried"),
    },
    "options": {
        "mss": ("i4", "bytes", -1, "TCP's maximum segment size, which a SYN offers"),
        "window_scale": ("i2", "bits", -1, "TCP's shift count, which a SYN offers, as it stands there"),
        "sack_permitted": ("i1", "", -1, "1 where TCP says so, else 0"),
        "timestamp": ("i8", "", -1, "TCP's TSval"),
        "timestamp_echo": ("i8", "", -1, "TCP's TSecr"),
        "sack_blocks": ("i1", "", -1, "how many blocks TCP's SACK option has; 0 without one"),
        "sack": ("i8", "", -1, "their edges as they stand there: 4 blocks of left and right for each packet"),
    },
    "windows": {
        "window_scaled": ("i8", "bytes", -1, "TCP's window as its sender means it, where both SYNs were captured"),
    },
    "link_addresses": {
        "link_src": ("i4", "", -1, "Ethernet source, an index of `columns.link_addresses`"),
        "link_dst": ("i4", "", -1, "Ethernet destination, likewise"),
    },
    "ip_details": {
        "dscp": ("i4", "", -1, "differentiated services code point, of either IP"),
        "ecn": ("i4", "", -1, "congestion notification, of either IP: 1 and 2 capable, 3 congestion experienced"),
        "dont_fragment": ("i4", "", -1, "1 where IPv4 says so, else 0"),
        "flow_label": ("i4", "", -1, "IPv6's"),
    },
    "icmp": {
        "icmp_type": ("i4", "", -1, "of ICMP or ICMPv6"),
        "icmp_code": ("i4", "", -1, "likewise"),
        "icmp_identifier": ("i4", "", -1, "of an echo request or reply"),
        "icmp_sequence": ("i4", "", -1, "likewise"),
    },
    "arp": {
        "arp_operation": ("i4", "", -1, "1 request, 2 reply"),
        "arp_sender": ("O", "", "", "sender's IPv4 address"),
        "arp_target": ("O", "", "", "target's IPv4 address"),
    },
    "web": {
        "http_messages": ("i4", "", None, "HTTP messages whose heads begin in this packet"),
        "http_status": ("i4", "", -1, "of the first of them that is an answer, such as 101"),
        "websocket_frames": ("i4", "", None, "WebSocket frames that begin in this packet"),
        "websocket_opcode": ("i4", "", -1, "of the first of them: 1 text, 2 binary, 8 close, 9 ping, 10 pong"),
        "websocket_masked": ("i1", "", -1, "1 where it has a masking key, else 0"),
        "websocket_payload_len": ("i8", "bytes", -1, "its payload length"),
    },
    "netlab": {
        "netlab_packets": (
            "i4",
            "",
            None,
            "netlab packets that begin in this packet: in its datagram, TCP's stream, a frame there, or rudp's",
        ),
        "netlab_type": ("i4", "", -1, "what the first of them is for: `packet.PacketType`, 0 data"),
        "netlab_flags": ("i4", "", -1, "its flags: 1 SESSION"),
        "netlab_payload_len": ("i4", "bytes", -1, "its payload length"),
        "fragment_index": ("i4", "", -1, "which fragment of the message it is, from 0"),
        "fragment_count": ("i4", "", -1, "of how many"),
        "message_id": ("i8", "", -1, "of which message"),
    },
    "chat": {
        "messages": ("i4", "", None, "netlab messages that are complete with this packet"),
        "chat_type": ("O", "", "", "what the first of them is, if a chat event: emit, message, joined, ..."),
        "chat_event": ("O", "", "", "the name of what was emitted"),
        "room": ("O", "", "", "the first of its rooms"),
        "room_number": ("i8", "", -1, "the event's number in that room, which the hub gives"),
        "op": ("i8", "", -1, "the number of the sender's operation"),
        "chat_name": ("O", "", "", "of who said it, joined or left"),
        "chat_text": ("O", "", "", "its first argument, where that is text"),
    },
}  # group -> name -> dtype, unit, absent, meaning
COLUMNS = {name: Column(group, *words) for group, columns in _GROUPS.items() for name, words in columns.items()}
"""Every column by name, in the order of the layers."""
