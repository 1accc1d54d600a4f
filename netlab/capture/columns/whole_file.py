"""Every column of every packet of one file, each computed once, when it is first asked for."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from netlab.capture.columns.addresses import Addresses
from netlab.capture.columns.details import arp_columns, icmp_columns, link_address_columns, network_columns
from netlab.capture.columns.directions import direction_column
from netlab.capture.columns.flow_numbers import flow_columns
from netlab.capture.columns.headers import header_columns
from netlab.capture.columns.netlab_packets import NetlabPackets, find_in_datagrams, find_packets, packet_columns
from netlab.capture.columns.rudp_streams import Segments, put_together
from netlab.capture.columns.stream_bytes import StreamBytes
from netlab.capture.columns.stream_numbers import Streams, stream_columns
from netlab.capture.columns.table import COLUMNS
from netlab.capture.columns.tcp_options import option_columns, window_columns
from netlab.capture.columns.web_streams import Unit, find_units, units_in_segments, web_columns
from netlab.capture.octets import Octets
from netlab.capture.record_index import RecordIndex
from netlab.packets import websocket
from netlab.packets.packet import HEADER_LEN

if TYPE_CHECKING:
    from netlab.capture.continued import Part


class WholeFile:
    """Every column of every packet of one file, each computed once."""

    def __init__(self, index: RecordIndex) -> None:
        self.index = index
        self.octets = Octets(index.data)
        self.data = memoryview(index.data)
        self._columns: dict[str, NDArray[Any]] = {}
        self._stream_bytes: dict[int, StreamBytes] = {}

    @functools.cached_property
    def network_at(self) -> NDArray[np.int64]:
        """Where in the file each packet's network layer begins."""
        at: NDArray[np.int64] = self.index.start + self.column("link_header_len")
        return at

    @functools.cached_property
    def payload_at(self) -> NDArray[np.int64]:
        """Where in the file each packet's payload begins, or would begin if it had been captured."""
        header_len = self.column("network_header_len") + self.column("transport_header_len")
        at: NDArray[np.int64] = self.network_at + header_len
        return at

    @property
    def addresses(self) -> Addresses:
        self.column("src")
        return self._addresses

    def column(self, name: str) -> NDArray[Any]:
        """The column of this name, one row for each record of the file."""
        if name not in self._columns:
            made = getattr(self, f"_make_{COLUMNS[name].group}")()
            for array in made.values():
                array.flags.writeable = False
            self._columns |= made
        return self._columns[name]

    def _make_record(self) -> dict[str, NDArray[Any]]:
        index = self.index
        link_types = np.array([interface.linktype for interface in index.interfaces], np.int32)
        return {
            "number": np.arange(1, len(index) + 1, dtype=np.int32),
            "time_ns": index.time_ns,
            "interface": index.interface,
            "captured_len": index.captured,
            "original_len": index.original,
            "link_type": link_types[index.interface],
        }

    def _make_headers(self) -> dict[str, NDArray[Any]]:
        columns, self._addresses = header_columns(self.octets, self.index)
        return dict(columns)

    def _make_directions(self) -> dict[str, NDArray[Any]]:
        return {"direction": direction_column(self.octets, self.index, self.column("link_type"))}

    def _make_flows(self) -> dict[str, NDArray[Any]]:
        return flow_columns(self.column, self.index.interfaces)

    @property
    def streams(self) -> Streams:
        """What is known of all TCP streams, beside the columns."""
        self.column("stream")
        return self._streams

    def _make_streams(self) -> dict[str, NDArray[Any]]:
        columns, self._streams = stream_columns(self.column)
        return columns

    def stream_bytes(self, number: int) -> StreamBytes:
        """What was captured of the stream of this number."""
        if number not in self._stream_bytes:
            self._stream_bytes[number] = self._make_stream_bytes(number)
        return self._stream_bytes[number]

    def _make_stream_bytes(self, number: int) -> StreamBytes:
        spans = self.streams.spans
        first, last = np.searchsorted(spans.stream, [number, number + 1])
        row, end = spans.row[first:last], spans.end[first:last]
        carried = self.column("stream_offset")[row]
        end = np.minimum(end, carried + self.column("payload_captured_len")[row])
        # a keep-alive's byte at offset -1 is none of the stream
        start = np.maximum(spans.start[first:last], 0)
        kept = start < end
        at = self.payload_at[row] - carried
        return StreamBytes(start[kept], end[kept], row[kept], at[kept], self.data)

    @functools.cached_property
    def netlab_datagrams(self) -> NetlabPackets:
        """netlab's packets that stand in datagrams themselves."""
        return find_in_datagrams(self)

    @functools.cached_property
    def rudp_segments(self) -> Segments:
        """rudp's segments in all datagrams."""
        return Segments(self, self.netlab_datagrams)

    @functools.cached_property
    def rudp_streams(self) -> list[StreamBytes]:
        """The streams that rudp carries, put together."""
        return put_together(self, self.rudp_segments)

    @functools.cached_property
    def web_units(self) -> dict[int, list[Unit]]:
        """By the number of the TCP stream: its HTTP messages and frames of WebSocket, in order."""
        return find_units(self)

    @functools.cached_property
    def web_units_of(self) -> dict[int, list[Unit]]:
        """By row: those that its TCP segment holds any bytes of."""
        return units_in_segments(self)

    def _make_web(self) -> dict[str, NDArray[Any]]:
        return web_columns(self.web_units, len(self.index))

    @functools.cached_property
    def netlab_packets(self) -> NetlabPackets:
        """netlab's packets in all datagrams and streams."""
        return find_packets(self)

    @functools.cached_property
    def netlab_parts(self) -> dict[int, tuple[Part, ...]]:
        """By row: what its TCP segment holds of netlab packets that do not begin in it with a whole header."""
        from netlab.capture.continued import parts_in_segments

        return parts_in_segments(self)

    def _make_netlab(self) -> dict[str, NDArray[Any]]:
        return packet_columns(self.netlab_packets, len(self.index))

    def netlab_packet(self, place: int) -> bytes:
        """The bytes of the netlab packet of this row of `netlab_packets`, which is whole."""
        packets = self.netlab_packets
        start = int(packets.offset[place])
        end = start + HEADER_LEN + int(packets.payload_length[place])
        stream, rudp_stream = int(packets.stream[place]), int(packets.rudp_stream[place])
        if stream >= 0:
            data, key = self.stream_bytes(stream).read(start, end) or b"", int(packets.masking_key[place])
            return websocket.masked(data, key.to_bytes(4, "big")) if key > 0 else data
        if rudp_stream >= 0:
            return self.rudp_streams[rudp_stream].read(start, end) or b""
        at = int(self.payload_at[packets.row[place]])
        return bytes(self.data[at + start : at + end])

    def _make_chat(self) -> dict[str, NDArray[Any]]:
        from netlab.capture.messages import chat_columns

        return chat_columns(self)

    def _make_options(self) -> dict[str, NDArray[Any]]:
        return option_columns(self)

    def _make_windows(self) -> dict[str, NDArray[Any]]:
        return window_columns(self)

    @property
    def link_addresses(self) -> NDArray[Any]:
        """The texts of the addresses that `link_src` and `link_dst` are indices of, with "" at the end."""
        self.column("link_src")
        return self._link_addresses

    def _make_link_addresses(self) -> dict[str, NDArray[Any]]:
        columns, self._link_addresses = link_address_columns(self)
        return columns

    def _make_ip_details(self) -> dict[str, NDArray[Any]]:
        return network_columns(self)

    def _make_icmp(self) -> dict[str, NDArray[Any]]:
        return icmp_columns(self)

    def _make_arp(self) -> dict[str, NDArray[Any]]:
        return arp_columns(self)
