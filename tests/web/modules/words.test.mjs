import assert from "node:assert/strict";
import { test } from "node:test";

import { difference } from "../../../netlab/web/static/compare.js";
import { printable, quoted } from "../../../netlab/web/static/printable.js";
import { happening, outcomes, packetWords, stateWords } from "../../../netlab/web/static/words.js";
import { duration } from "../../../netlab/web/static/units.js";
import { lane, MS, packet, run } from "./runs.mjs";

test("a duration is written with its unit", () => {
  const table = [[0, "0 ms"], [850_000, "850 µs"], [1_500_000, "1.5 ms"], [40_400_000, "40 ms"], [1_240_000_000, "1.24 s"], [-5 * MS, "-5 ms"]];
  for (const [ns, words] of table) assert.equal(duration(ns), words);
});

test("what would hide or reorder text is escaped, and markup stays text", () => {
  const table = [
    ["<script>", "<script>"], ["a\x1b[2J\u202eb\n", "a\\x1b[2J\\u202eb\\n"], ["\ud800x", "\\ud800x"], ["😀 é", "😀 é"],
    ["\u{e0041}", "\\U000e0041"], ["\u200b", "\\u200b"],
  ];
  for (const [text, shown] of table) assert.equal(printable(text), shown);
  assert.equal(quoted("x".repeat(50), 5), "“xxxx…”");
});

test("udp loses a text, and nobody sends it again", () => {
  const udp = lane("udp", [packet(4, 0, [])], { said: [[0, "hi"]] });
  assert.deepEqual(outcomes(udp), ["“hi” was lost; nobody sends it again: bob never hears it."]);
});

test("tcp sends it again", () => {
  const tcp = lane("tcp", [packet(4, 0, []), packet(5, 240 * MS, [280 * MS], { again: true })],
    { said: [[0, "hi"]], heard: [[280 * MS, "hi"]] });
  assert.deepEqual(outcomes(tcp), ["“hi” was lost; it was sent again after 240 ms; bob heard it after 280 ms."]);
  assert.deepEqual(outcomes(tcp, 250 * MS), ["“hi” was lost; it was sent again after 240 ms."]);
  assert.deepEqual(outcomes(tcp, -1), []);
});

test("what is sent again although bob has it is no loss of the text", () => {
  const tcp = lane("tcp", [packet(4, 0, [40 * MS]), packet(5, 240 * MS, [], { again: true }), packet(6, 720 * MS, [760 * MS], { again: true })],
    { said: [[0, "hi"]], heard: [[40 * MS, "hi"]] });
  assert.deepEqual(outcomes(tcp, 200 * MS), ["Bob heard “hi” after 40 ms."]);
  assert.deepEqual(outcomes(tcp), ["Bob heard “hi” after 40 ms; ann did not learn of it in time, and sent it again after 240 ms, twice in all."]);
});

test("what is on its way is not yet lost, and a doubled text is heard twice", () => {
  const udp = lane("udp", [packet(4, 0, [40 * MS, 41 * MS])], { said: [[0, "hi"]], heard: [[40 * MS, "hi"], [41 * MS, "hi"]] });
  assert.deepEqual(outcomes(udp, 10 * MS), ["“hi” is on its way."]);
  assert.match(outcomes(udp)[0], /Bob heard “hi” after 40 ms, and 1 copy of it/);
});

test("the same text said twice is told apart", () => {
  const udp = lane("udp", [packet(4, 0, [40 * MS]), packet(5, 100 * MS, [])],
    { said: [[0, "hi"], [100 * MS, "hi"]], heard: [[40 * MS, "hi"]] });
  const [first, second] = outcomes(udp);
  assert.match(first, /^Bob heard/);
  assert.match(second, /was lost; nobody sends it again/);
});

test("a packet in a sentence: its accessible name", () => {
  assert.equal(packetWords(packet(4, 0, [])), "ann to the hub at 0.000 s: data emit 'hi'; lost");
  assert.match(packetWords(packet(4, 0, [40 * MS, 50 * MS])), /came 2 times, after 40 ms and 50 ms/);
  assert.match(packetWords(packet(4, 0, [40 * MS], { fate: "corrupted" })), /came damaged after 40 ms/);
});

test("what happens is told, and an ordinary arrival is not worth a word", () => {
  assert.equal(happening({ kind: "lost", packet: packet(4, 0, []) }, "UDP"), "UDP: “hi” from ann is lost.");
  const state = { at: 281 * MS, host: "client", words: "rto 562ms", why: "no acknowledgement of byte 106" };
  assert.equal(happening({ kind: "why", state }, "TCP"), "TCP: ann says why: no acknowledgement of byte 106.");
  const tcp = { ...lane("tcp", []), states: [{ ...state, at: -5, words: "rto 281ms" }, state] };
  assert.deepEqual([stateWords(tcp, 0), stateWords(tcp, 281 * MS), stateWords(tcp, -9)], ["ann: rto 281ms", "ann: rto 562ms", ""]);
  assert.equal(happening({ kind: "came", packet: packet(4, 0, [9]) }, "UDP"), "");
});

test("two equal runs do not differ", () => {
  const one = run(lane("udp", [packet(4, 0, [40 * MS])], { said: [[0, "hi"]], heard: [[40 * MS, "hi"]] }));
  assert.ok(difference(one, structuredClone(one)).same);
});

test("what a dropped packet changes is marked and said", () => {
  const before = run(lane("tcp", [packet(4, 0, [40 * MS])], { said: [[0, "hi"]], heard: [[40 * MS, "hi"]] }));
  const after = run(lane("tcp",
    [packet(4, 0, [], { fate: "dropped by hand" }), packet(5, 240 * MS, [280 * MS], { again: true })],
    { said: [[0, "hi"]], heard: [[280 * MS, "hi"]] }));
  const [found] = difference(before, after).lanes;
  assert.equal(found.same, false);
  assert.deepEqual([...found.marks.before], [["client>server:4", "other"]]);
  assert.deepEqual([...found.marks.after], [["client>server:4", "other"], ["client>server:5", "only"]]);
  const words = found.sentences.join(" ");
  assert.match(words, /They differ from the first packet on/);
  assert.match(words, /Bob hears “hi” 240 ms later: after 280 ms instead of 40 ms/);
  assert.match(words, /1 packet more sent \(2 instead of 1\)/);
});
