"""Split 64 MB into 1200-byte packets and put them together again, beside bare loops that do only what must be done.

The bare loops stand below: one packs the header and runs `zlib.crc32`, the other parses, checks and places. Each round
runs all four, in turn, so that a noisy machine disturbs all alike; ratios are of the same round, medians are printed.
"""

from __future__ import annotations

import os
import statistics
import struct
import time
from collections.abc import Callable
from zlib import crc32

from netlab.packets import Arrived, Reassembler, Whole, decode, encode, split

MESSAGE = 256 * 1024
MESSAGES = 64_000_000 // MESSAGE
MAX_PAYLOAD = 1200 - 20
ROUNDS = 7

HEADER = struct.Struct("!2sBBHHHHI")
WHOLE_HEADER = struct.Struct("!2sBBHHHHII")
CRC = struct.Struct("!I")


def bare_split(messages: list[bytes]) -> list[bytes]:
    packets = []
    for message_id, message in enumerate(messages):
        count = -(-len(message) // MAX_PAYLOAD)
        for index in range(count):
            payload = message[index * MAX_PAYLOAD : (index + 1) * MAX_PAYLOAD]
            header = HEADER.pack(b"NL", 0x10, 0, len(payload), index, count, 0, message_id)
            packets.append(header + CRC.pack(crc32(payload, crc32(header))) + payload)
    return packets


def netlab_split(messages: list[bytes]) -> list[bytes]:
    return [
        encode(packet)
        for message_id, message in enumerate(messages)
        for packet in split(message, message_id=message_id, max_payload=MAX_PAYLOAD)
    ]


def bare_reassemble(packets: list[bytes]) -> list[bytes]:
    boxes: dict[int, list[bytes]] = {}
    left: dict[int, int] = {}
    messages = []
    for data in packets:
        magic, kind, _flags, length, index, count, _reserved, message_id, crc = WHOLE_HEADER.unpack_from(data)
        payload = data[20:]
        if magic != b"NL" or kind != 0x10 or length != len(payload) or crc32(payload, crc32(data[:16])) != crc:
            raise ValueError("damaged")
        if message_id not in boxes:
            boxes[message_id] = [b""] * count
            left[message_id] = count
        boxes[message_id][index] = payload
        left[message_id] -= 1
        if left[message_id] == 0:
            messages.append(b"".join(boxes.pop(message_id)))
    return messages


def netlab_reassemble(packets: list[bytes]) -> list[bytes]:
    box = Reassembler()
    messages = []
    for data in packets:
        for output in box.handle(Arrived("peer", decode(data)), 0):
            if isinstance(output, Whole):
                messages.append(output.message)
    return messages


def timed(work: Callable[[list[bytes]], list[bytes]], given: list[bytes]) -> tuple[float, list[bytes]]:
    start = time.perf_counter()
    result = work(given)
    return time.perf_counter() - start, result


def main() -> None:
    messages = [os.urandom(MESSAGE) for _ in range(MESSAGES)]
    total_mb = MESSAGE * MESSAGES / 1e6
    seconds: dict[str, list[float]] = {"bare split": [], "split": [], "bare reassemble": [], "reassemble": []}
    for _ in range(ROUNDS):
        bare_s, packets = timed(bare_split, messages)
        ours_s, ours = timed(netlab_split, messages)
        if ours != packets:
            raise SystemExit("split and the bare loop disagree")
        bare_r, put_together = timed(bare_reassemble, packets)
        ours_r, ours_together = timed(netlab_reassemble, packets)
        if put_together != messages or ours_together != messages:
            raise SystemExit("reassembly does not give the messages back")
        for name, value in zip(seconds, (bare_s, ours_s, bare_r, ours_r), strict=True):
            seconds[name].append(value)
    for name, values in seconds.items():
        median = statistics.median(values)
        print(f"{name:16} {total_mb / median:8.0f} MB/s   {len(packets) / median / 1e3:7.0f} thousand packets/s")
    for name, aim in (("split", 0.8), ("reassemble", 0.5)):
        ratios = [b / o for b, o in zip(seconds[f"bare {name}"], seconds[name], strict=True)]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"{name} / bare loop: {statistics.median(ratios):.2f} (aim {aim} or more; {spread})")


if __name__ == "__main__":
    main()
