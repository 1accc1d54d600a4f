import assert from "node:assert/strict";
import { test } from "node:test";

import { ChatSession } from "../../../netlab/web/static/chat_session.js";
import { Redial } from "../../../netlab/web/static/redial.js";
import { crc32, decode, DecodeError, HEADER_LEN, Joiner, split } from "../../../netlab/web/static/packet_codec.js";

const HELLO = process.env.NETLAB_HELLO; // as netlab.packets.packet.encode makes it: tests/web/test_modules.py

const hex = (bytes) => Buffer.from(bytes).toString("hex");

test("CRC-32 is zlib's, over pieces too", () => {
  const all = new TextEncoder().encode("123456789");
  assert.equal(crc32(all), 0xcbf43926);
  assert.equal(crc32(all.subarray(0, 4), all.subarray(4)), 0xcbf43926);
});

test("a packet says the bytes that netlab's own codec says", () => {
  assert.equal(hex(split({ type: "hello", name: "ann" }, { type: 1, id: 7 })[0]), HELLO);
});

test("what is packed comes out again, whole or in fragments", () => {
  for (const most of [1, 3, 7, 65_535]) {
    const message = { type: "say", text: "é€😀<b>", n: [1, 2] };
    const joiner = new Joiner();
    const results = split(message, { id: 9, most }).map((bytes) => joiner.add(decode(bytes)));
    assert.deepEqual(results.at(-1), message);
    assert.ok(results.slice(0, -1).every((one) => one === null));
  }
});

test("every flipped bit is noticed", () => {
  const [good] = split({ type: "join", op: 1, room: "lobby" }, { id: 1 });
  for (let bit = 0; bit < good.length * 8; bit++) {
    const bad = Uint8Array.from(good);
    bad[bit >> 3] ^= 128 >> (bit & 7);
    assert.throws(() => decode(bad), DecodeError, `bit ${bit}`);
  }
  for (let length = 0; length < good.length; length++) assert.throws(() => decode(good.subarray(0, length)), DecodeError);
  assert.throws(() => decode(Uint8Array.from([...good, 0])), DecodeError);
});

test("a fragment out of its order ends it", () => {
  const [, second] = split("a long text", { most: 4 });
  assert.throws(() => new Joiner().add(decode(second)), DecodeError);
  assert.equal(HEADER_LEN, 20);
});

function entered() {
  const session = new ChatSession("ann");
  session.connected();
  assert.deepEqual(session.take(), [{ type: "hello", name: "ann" }]);
  session.received({ type: "welcome", sid: "S1", name: "ann", secret: "x", max_message: 9 });
  session.join("lobby");
  assert.deepEqual(session.take(), [{ type: "join", op: 1, room: "lobby" }]);
  assert.deepEqual(session.received({ type: "result", op: 1, status: "ok", rooms: { lobby: 2 }, epoch: "E1" }), [{ kind: "entered", room: "lobby" }]);
  assert.deepEqual(session.take(), [{ type: "who", op: 2, room: "lobby" }]);
  session.received({ type: "result", op: 2, status: "ok", data: { members: [{ name: "ann" }, { name: "bob" }], more: false } });
  return session;
}

test("who enters a room knows who is in it, and hears what is said", () => {
  const session = entered();
  assert.deepEqual([...session.rooms.get("lobby")], ["ann", "bob"]);
  const [heard] = session.received({ type: "message", rooms: { lobby: 3 }, sid: "S2", name: "bob", op: 1, time: 1, event: "message", args: ["hi"] });
  assert.deepEqual([heard.kind, heard.room, heard.isPrivate, heard.mine], ["said", "lobby", false, false]);
  session.say("lobby", "hello");
  assert.deepEqual(session.take(), [{ type: "emit", op: 3, event: "message", to: ["lobby"], args: ["hello"] }]);
  assert.match(session.received({ type: "result", op: 3, status: "failed", code: "too_fast" })[0].words, /too_fast/);
});

test("a private message goes to the sid of whoever is found", () => {
  const session = entered();
  session.tell("bob", "psst");
  assert.deepEqual(session.take(), [{ type: "find", op: 3, name: "bob" }]);
  session.received({ type: "result", op: 3, status: "ok", data: { sid: "S2", name: "bob" } });
  assert.deepEqual(session.take(), [{ type: "emit", op: 4, event: "message", to: ["S2"], args: ["psst"] }]);
  const [heard] = session.received({ type: "message", rooms: { S1: 1 }, sid: "S2", name: "bob", op: 1, time: 1, event: "message", args: ["yes?"] });
  assert.ok(heard.isPrivate);
});

test("who comes and goes is counted once, and what is no text is not shown", () => {
  const session = entered();
  session.received({ type: "joined", rooms: { lobby: 4 }, sid: "S3", name: "cem", time: 1 });
  assert.ok(session.rooms.get("lobby").has("cem"));
  const [left] = session.received({ type: "left", rooms: { lobby: 5 }, sid: "S3", name: "cem", time: 1, reason: "lost" });
  assert.match(left.words, /lost/);
  assert.deepEqual(session.received({ type: "message", rooms: { lobby: 6 }, sid: "S2", name: "bob", op: 2, time: 1, event: "message", args: [{ no: "text" }] }), []);
  assert.match(session.received({ type: "gap", room: "lobby", from: 3, to: null })[0].words, /from number 3 on/);
});

const said = (number, text, op = number) =>
  ({ type: "message", rooms: { lobby: number }, sid: "S2", name: "bob", op, time: 1, event: "message", args: [text] });

test("after a cut the session is resumed: what was asked is asked again, what was heard is not heard twice", () => {
  const session = entered();
  session.received(said(3, "one"));
  session.say("lobby", "on its way");
  session.take();
  session.cut();
  session.say("lobby", "said while cut off");
  assert.deepEqual(session.take(), []);
  session.connected();
  assert.deepEqual(session.take(), [{ type: "hello", name: "ann", resume: { sid: "S1", secret: "x", seen: { S1: 0, lobby: 3 } } }]);
  assert.deepEqual(session.take(), []);
  assert.deepEqual(session.received({ type: "welcome", sid: "S1", name: "ann", secret: "x", resumed: true }), [{ kind: "resumed", name: "ann" }]);
  assert.deepEqual(session.take(), [
    { type: "emit", op: 3, event: "message", to: ["lobby"], args: ["on its way"] },
    { type: "emit", op: 4, event: "message", to: ["lobby"], args: ["said while cut off"] },
    { type: "who", op: 5, room: "lobby" },
  ]);
  assert.deepEqual(session.received(said(3, "one")), []);
  assert.equal(session.received(said(4, "two"))[0].text, "two");
  assert.deepEqual(session.received({ type: "left", rooms: { lobby: 4 }, sid: "S2", name: "bob", time: 1, reason: "quit" }), []);
  session.received({ type: "gap", room: "lobby", from: 5, to: 7 });
  assert.deepEqual(session.received(said(7, "lost for good")), []);
});

test("where the server has forgotten the session, a new one enters its rooms, and what may be lost is told", () => {
  const session = entered();
  session.received(said(3, "one"));
  session.say("lobby", "on its way");
  session.take();
  session.cut();
  session.say("lobby", "said while cut off");
  session.tell("bob", "psst");
  session.connected();
  session.take();
  const told = session.received({ type: "welcome", sid: "S9", name: "ann", secret: "y" });
  assert.equal(told[0].kind, "restarted");
  assert.deepEqual(told.slice(1).map(({ words }) => words), ["“on its way”: nobody can tell whether it was heard"]);
  assert.deepEqual(session.take(), [
    { type: "join", op: 6, room: "lobby", seen: 3, epoch: "E1" },
    { type: "emit", op: 7, event: "message", to: ["lobby"], args: ["said while cut off"] },
    { type: "find", op: 8, name: "bob" },
  ]);
  session.received({ type: "joined", rooms: { lobby: 1 }, sid: "S9", name: "ann", time: 1 });
  session.received({ type: "result", op: 6, status: "ok", rooms: { lobby: 1 }, epoch: "E2" });
  assert.equal(session.received(said(2, "anew"))[0].text, "anew");
  assert.deepEqual(session.received(said(2, "anew")), []);
});

test("who gives up is told what became of what was said", () => {
  const session = entered();
  session.say("lobby", "sent");
  session.take();
  session.cut();
  session.say("lobby", "waiting");
  assert.deepEqual(session.end().map(({ words }) => words), ["“sent”: nobody can tell whether it was heard", "“waiting”: not sent"]);
  assert.deepEqual(session.end(), []);
});

test("what was heard without a number is not heard again with one", () => {
  const session = entered();
  const [heard] = session.received({ ...said(0, "alone", 9), rooms: {}, unnumbered: ["lobby"] });
  assert.deepEqual([heard.room, heard.isPrivate], ["lobby", false]);
  assert.deepEqual(session.received(said(3, "alone", 9)), []);
  assert.equal(session.received(said(4, "next"))[0].text, "next");
});

test("connecting again is tried soon, then less often, and not for ever", () => {
  const redial = new Redial();
  assert.deepEqual([0, 1, 2, 3, 4, 5, 6].map(() => redial.next(10)), [250, 500, 1000, 2000, 4000, 5000, 5000]);
  assert.equal(redial.next(120_009), 5000);
  assert.equal(redial.next(120_010), null);
  redial.connected();
  assert.equal(redial.next(500_000), 250);
});
