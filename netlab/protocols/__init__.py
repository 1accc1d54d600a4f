"""Machines between packets and chat: framing on a stream, sessions over datagrams. All pure.

Read `stream` first, then `datagram_client` and `datagram_server` with `cookies` and `pacing`.
"""
