// netlab's packet as a browser speaks it: a 20-byte header, big-endian, and a payload; docs/protocol.md draws it.

export const HEADER_LEN = 20;
export const MOST_PAYLOAD = 65_535;
export const DATA = 0;
export const HELLO = 1;
export const BYE = 6;
export const ERROR = 7;

const MAGIC = 0x4e4c; // NL
const VERSION = 1;
const SESSION = 0x01;
const SESSION_LEN = 8;
const CRC_AT = 16;

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let rest = n;
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? 0xedb88320 ^ (rest >>> 1) : rest >>> 1;
  return rest;
});

/** CRC-32 as zlib computes it, over several pieces of bytes. */
export function crc32(...pieces) {
  let crc = ~0;
  for (const bytes of pieces) for (const byte of bytes) crc = TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** The packet's bytes. */
export function encode({ payload, type = DATA, id = 0, index = 0, count = 1 }) {
  const bytes = new Uint8Array(HEADER_LEN + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, MAGIC);
  view.setUint8(2, (VERSION << 4) | type);
  view.setUint16(4, payload.length);
  view.setUint16(6, index);
  view.setUint16(8, count);
  view.setUint32(12, id);
  bytes.set(payload, HEADER_LEN);
  view.setUint32(CRC_AT, crc32(bytes.subarray(0, CRC_AT), payload));
  return bytes;
}

/** The bytes could not be taken for a packet; the message says why. */
export class DecodeError extends Error {}

/** What `bytes` hold: exactly one packet. */
export function decode(bytes) {
  if (bytes.length < HEADER_LEN) throw new DecodeError(`${bytes.length} B are less than the header's ${HEADER_LEN} B`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint16(0) !== MAGIC) throw new DecodeError("this does not begin with NL");
  const version = view.getUint8(2) >> 4;
  if (version !== VERSION) throw new DecodeError(`version ${version} is not ${VERSION}`);
  const behind = bytes.subarray(HEADER_LEN);
  const length = view.getUint16(4);
  if (length !== behind.length) throw new DecodeError(`the header says ${length} B of payload, ${behind.length} B came`);
  if (view.getUint32(CRC_AT) !== crc32(bytes.subarray(0, CRC_AT), behind)) throw new DecodeError("the CRC-32 is wrong");
  const hasSession = (view.getUint8(3) & SESSION) !== 0;
  if (hasSession && length < SESSION_LEN) throw new DecodeError("the session token is cut");
  return {
    type: view.getUint8(2) & 15,
    index: view.getUint16(6),
    count: view.getUint16(8),
    id: view.getUint32(12),
    payload: hasSession ? behind.subarray(SESSION_LEN) : behind,
  };
}

/** One message as the packets that it needs. */
export function split(message, { type = DATA, id = 0, most = MOST_PAYLOAD } = {}) {
  const payload = new TextEncoder().encode(JSON.stringify(message));
  const count = Math.max(1, Math.ceil(payload.length / most));
  return Array.from({ length: count }, (_, index) =>
    encode({ payload: payload.subarray(index * most, (index + 1) * most), type, id, index, count }),
  );
}

/** Puts messages together again from packets that come in order, as over WebSocket. */
export class Joiner {
  constructor() {
    this._id = null;
    this._parts = [];
  }

  /** The message that this packet completes, or null. */
  add({ id, index, count, payload }) {
    if (index === 0) {
      this._id = id;
      this._parts = [];
    }
    if (id !== this._id || index !== this._parts.length) throw new DecodeError("a fragment is out of its order");
    this._parts.push(payload);
    if (index + 1 < count) return null;
    const text = new TextDecoder("utf-8", { fatal: true });
    const said = this._parts.map((part) => text.decode(part, { stream: true })).join("") + text.decode();
    this._id = null;
    this._parts = [];
    return JSON.parse(said);
  }
}
