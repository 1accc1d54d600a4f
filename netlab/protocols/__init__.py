"""Machines between packets and chat: framing on a stream, sessions over datagrams. All pure.

Read `stream` first, then `handshake` with `cookies`, then `datagram_client` and `datagram_server` with `pacing`, and
`reliable` with `loss_recovery`, `acknowledgments`, `streams_out` and `streams_in`.
"""
