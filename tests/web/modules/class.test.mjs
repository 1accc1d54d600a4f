import assert from "node:assert/strict";
import { test } from "node:test";

import { ClassView, SHOWN } from "../../../netlab/web/static/class_view.js";

const host = (id, name) => ({ id, name, address: `10.0.0.${id}:4000`, over: "udp", held: false, link: "", waiting: 0, there: 0, back: 0 });
const packet = (id, state = "waiting") => ({ type: "packet", id, host: "1", way: "there", at: 1, bytes: 100, says: "data", state });

function view() {
  const made = new ClassView();
  made.take({ type: "class", token: "T", join: ["udp://x:1"], hosts: [host("1", "ann")], packets: [] });
  return made;
}

test("a packet waits until its fate is told", () => {
  const made = view();
  assert.equal(made.take(packet(1)), "ann: a packet waits.");
  made.take(packet(2));
  assert.deepEqual(made.waiting().map(({ id }) => id), [1, 2]);
  assert.equal(made.hostsWithWaiting()[0].waiting, 2);
  made.take({ type: "fate", id: 1, state: "dropped by hand" });
  assert.equal(made.hosts.get("1").there, 0);
  assert.deepEqual(made.waiting().map(({ id }) => id), [2]);
  assert.deepEqual(made.passed().map(({ id, state }) => [id, state]), [[1, "dropped by hand"]]);
  made.take({ type: "fate", id: 2, state: "delivered" });
  assert.deepEqual([made.hosts.get("1").there, made.hostsWithWaiting()[0].waiting], [1, 0]);
});

test("only the latest packets are kept", () => {
  const made = view();
  for (let id = 1; id <= SHOWN + 5; id++) made.take(packet(id, "on its way"));
  assert.equal(made.packets.size, SHOWN);
  assert.equal(made.passed()[0].id, SHOWN + 5);
  assert.equal(made.take({ type: "fate", id: 1, state: "lost" }), "");
});

test("who comes is named once, and who goes is told by name", () => {
  const made = view();
  assert.equal(made.take({ type: "host", host: host("2", "") }), "");
  assert.equal(made.take({ type: "host", host: host("2", "bob") }), "bob is in the class.");
  assert.equal(made.take({ type: "host", host: host("2", "bob") }), "");
  assert.equal(made.take({ type: "gone", host: "2" }), "bob is gone.");
  assert.equal(made.nameOf("2"), "host 2");
});
