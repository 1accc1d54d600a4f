import assert from "node:assert/strict";
import { test } from "node:test";

import { layerRows, placeWords } from "../../../netlab/web/static/byte_map.js";
import { LONGEST_PAUSE, Player } from "../../../netlab/web/static/player.js";
import { fateOf, fresh, linkAt, withFate, withLink, withoutFate, withText } from "../../../netlab/web/static/script.js";
import { placeOf, spelled } from "../../../netlab/web/static/sliders.js";
import { fromTheStart, moments } from "../../../netlab/web/static/timeline.js";
import { ticks, timeScale } from "../../../netlab/web/static/time_scale.js";
import { lane, MS, packet, run } from "./runs.mjs";

const S = 1000 * MS;
const tcp = lane("tcp", [packet(1, -90 * MS, [-50 * MS]), packet(4, 0, []), packet(5, 2 * S, [2 * S + 40 * MS], { again: true })],
  { said: [[0, "hi"]], heard: [[2 * S + 40 * MS, "hi"]] });

test("the script is changed by making another", () => {
  const empty = fresh({ link: { loss: "30%" } });
  const said = withText(empty, 2 * S, "hi");
  assert.deepEqual([empty.texts, said.texts, said.until], [[], [{ at: 2 * S, text: "hi" }], 12 * S]);
  const early = withText(said, 0, "first");
  assert.deepEqual(early.texts.map(({ text }) => text), ["first", "hi"]);
});

test("a link that moves before anything is said is the run's link; later it is a change from then on", () => {
  const said = withText(withLink(fresh(), 0, { loss: "10%" }), 0, "hi");
  assert.equal(said.link.loss, "10%");
  const later = withLink(said, S, { loss: "0%" });
  assert.deepEqual([linkAt(later, S - 1).loss, linkAt(later, S).loss, later.link.loss], ["10%", "0%", "10%"]);
  const both = withLink(later, S, { delay: "80ms" });
  assert.deepEqual([both.changes.length, linkAt(both, S).loss, linkAt(both, S).delay], [1, "0%", "80ms"]);
});

test("a packet has one fate, and loses it again", () => {
  const one = { over: "tcp", packet: "client>server:4", do: "drop" };
  const twice = withFate(withFate(fresh(), one), { ...one, do: "corrupt" });
  assert.equal(twice.fates.length, 1);
  assert.equal(fateOf(twice, "tcp", "client>server:4").do, "corrupt");
  assert.deepEqual(withoutFate(twice, "tcp", "client>server:4").fates, []);
});

test("a lane begins when ann is in the room, and moments come in order", () => {
  const all = moments(run(fromTheStart(tcp)));
  assert.deepEqual(all.map(({ kind }) => kind), ["said", "sent", "lost", "again", "came", "heard"]);
  assert.ok(all.every(({ at }, i) => i === 0 || at >= all[i - 1].at));
});

test("a lane whose only packet is lost still has a slope: that of how ann came in", () => {
  const udp = fromTheStart(lane("udp", [packet(1, -90 * MS, [-50 * MS]), packet(4, 0, [])]));
  assert.deepEqual(moments(run(udp)).map(({ kind, at }) => [kind, at]), [["sent", 0], ["lost", 24 * MS]]);
});

test("steps go from moment to moment, and back", () => {
  const player = new Player();
  player.load(moments(run(fromTheStart(tcp))));
  const seen = [];
  while (player.step()) seen.push(player.cursor / MS);
  assert.deepEqual(seen, [24, 2000, 2040]);
  assert.ok(player.stepBack());
  assert.equal(player.cursor, 2 * S);
});

test("playing goes at its pace, hurries through a pause, and stops at the end", () => {
  const player = new Player();
  player.load(moments(run(fromTheStart(tcp))), [{ from: 24 * MS, to: 2 * S }]);
  player.slower = 10;
  player.play();
  player.advance(100 * MS);
  assert.equal(player.cursor, 10 * MS);
  player.advance(140 * MS + LONGEST_PAUSE / 2);
  assert.ok(Math.abs(player.cursor - 1012 * MS) < MS, String(player.cursor));
  player.advance(10 * S);
  assert.deepEqual([player.cursor, player.playing], [player.end, false]);
});

test("without hurry a pause takes its time", () => {
  const player = new Player();
  player.load(moments(run(fromTheStart(tcp))), [{ from: 24 * MS, to: 2 * S }]);
  Object.assign(player, { slower: 1, hurries: false });
  player.play();
  player.advance(S);
  assert.equal(player.cursor, S);
});

test("time runs down: later is lower, rows of a lane do not touch, pauses are cut", () => {
  const busy = lane("udp", [1, 2, 3, 4].map((n) => packet(n, 0, [40 * MS + n])), { said: [[0, "hi"]], heard: [[40 * MS + 1, "hi"]] });
  const lanes = [fromTheStart(tcp), busy];
  const scale = timeScale(lanes);
  for (let i = 1; i < scale.times.length; i++) assert.ok(scale.at(scale.times[i]) >= scale.at(scale.times[i - 1]));
  const places = busy.packets.map((one) => scale.place(one));
  for (let i = 1; i < places.length; i++) assert.ok(places[i] - places[i - 1] >= 18, String(places));
  for (const one of busy.packets) assert.ok(scale.at(one.came[0]) >= scale.place(one));
  assert.equal(scale.pauses.length, 1);
  assert.ok(scale.at(2 * S) - scale.at(100 * MS) < 60);
  assert.ok(scale.height < 500, String(scale.height));
  assert.ok(ticks(scale).length > 1);
});

test("a run without packets has a scale too", () => {
  const scale = timeScale([lane("udp", [])]);
  assert.ok(scale.at(0) > 0 && Number.isFinite(scale.height));
});

test("a dial stands where its value is, also one that it has not", () => {
  const values = ["0%", "10%", "30%"];
  assert.deepEqual([placeOf(values, "10%"), placeOf(values, "12%"), placeOf(values, "99%")], [1, 2, 3]);
  assert.deepEqual([placeOf(["1ms", "1s"], "500ms"), placeOf(["16kbit", "1mbit"], "100kbit")], [1, 1]);
  assert.deepEqual(["30%", "40ms", "1mbit"].map(spelled), ["30 %", "40 ms", "1 Mbit/s"]);
});

test("a layer's rows are its own bytes", () => {
  const layer = { start: 14, end: 107, fields: [{ start: 14, end: 15 }, { start: 30, end: 34 }] };
  assert.deepEqual(layerRows(layer, 16), { rows: [{ start: 14, end: 30 }, { start: 30, end: 34 }], hidden: 0 });
  const long = { start: 0, end: 1000, fields: [{ start: 0, end: 1000 }] };
  assert.equal(layerRows(long, 16).hidden, 1000 - 12 * 16);
});

test("where a field stands, in words", () => {
  assert.equal(placeWords({ start: 22, end: 23, bits: null }), "byte 22");
  assert.equal(placeWords({ start: 26, end: 30, bits: null }), "bytes 26 to 29");
  assert.equal(placeWords({ start: 14, end: 15, bits: [0, 4] }), "bits 0 to 3 of byte 14");
});
