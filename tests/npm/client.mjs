// npm's socket.io-client against a netlab server: `node client.mjs URL TRANSPORTS SCENARIO [NAME=VALUE ...]`.
// Every step prints one line of JSON; the test that runs this reads them.
import { createRequire } from "node:module";

const [folder, url, transports, scenario, ...rest] = process.argv.slice(2);
const { io } = createRequire(folder + "/")("socket.io-client");
const given = Object.fromEntries(rest.map((pair) => pair.split("=")));

const tell = (step, value = null) => console.log(JSON.stringify({ step, value }));
const once = (emitter, event) => new Promise((resolve) => emitter.once(event, (...args) => resolve(args[0])));
const options = { transports: transports.split(","), reconnectionDelay: 50, reconnectionDelayMax: 100 };

const scenarios = {
  // connects by a hello in `auth`, joins, says something, hears somebody, asks who is there, leaves
  async talk() {
    const socket = io(url, { ...options, auth: { name: "npm" } });
    socket.on("message", (said) => tell("message", [said.name, Object.keys(said.rooms), said.event, said.args]));
    socket.on("joined", (who) => tell("joined", who.name));
    tell("welcome", (await once(socket, "welcome")).name);
    tell("id", typeof socket.id);
    tell("join", await socket.emitWithAck("join", { room: "tea" }));
    tell("say", await socket.emitWithAck("say", "tea", "from npm \u{1F375}", { deep: [1, 2.5, null] }));
    tell("who", (await socket.emitWithAck("who", "tea")).data.members.map((member) => member.name));
    await once(socket, "message").then((said) => said.name === "ann" || once(socket, "message"));
    tell("leave", await socket.emitWithAck("leave", "tea"));
    socket.disconnect();
  },

  // connects with nothing, says hello as an event; private messages by sid, and answers both ways
  async ask() {
    const socket = io(url, options);
    await once(socket, "connect");
    const welcome = await socket.emitWithAck("hello", { name: "npm" });
    tell("hello", [welcome.name, welcome.sid.length]);
    await socket.emitWithAck("join", "tea");
    const { sid } = (await socket.emitWithAck("find", "ann")).data;
    tell("sid", sid);
    tell("private", (await socket.emitWithAck("say", sid, "for you alone")).status);
    socket.on("message", (said, checksum, done) => {
      tell("message", [said.event, said.args, typeof checksum]);
      if (done) done("npm answers", 7);
    });
    const asked = { event: "ping", to: [sid], args: ["?"], skip_self: true, answer_ms: 5000 };
    tell("answers", await socket.emitWithAck("emit", asked));
    await once(socket, "message");
    await socket.emitWithAck("say", sid, "bye");
    socket.disconnect();
  },

  // what is refused, and what is mistaken
  async refused() {
    const taken = io(url, { ...options, auth: { name: "ann" }, reconnection: false });
    const error = await once(taken, "connect_error");
    tell("taken", [error.message, error.data.code]);
    const elsewhere = io(url + "/admin", { ...options, forceNew: true });
    tell("namespace", (await once(elsewhere, "connect_error")).message);
    elsewhere.disconnect();
    const socket = io(url, { ...options, forceNew: true, auth: { name: "npm" } });
    await once(socket, "welcome");
    tell("no room", await socket.emitWithAck("join"));
    tell("not a member", (await socket.emitWithAck("say", "pub", "x")).code);
    socket.emit("say");
    tell("told", (await once(socket, "goodbye")).code);
    tell("still there", (await socket.emitWithAck("join", "tea")).status);
    socket.disconnect();
  },

  // is cut again and again by a relay; comes back, resumes, and misses nothing
  async reconnect() {
    const seen = {};
    let session = null;
    const socket = io(url, {
      ...options,
      auth: (say) => say(session ? { resume: { ...session, seen } } : { name: "npm" }),
    });
    let connects = 0;
    const heard = [];
    socket.on("connect", () => (connects += 1));
    socket.on("welcome", ({ sid, secret, resumed }) => {
      if (session === null) socket.emit("join", "tea", () => tell("in"));
      else tell("resumed", resumed === true);
      session = { sid, secret };
    });
    await new Promise((resolve) => {
      socket.on("joined", ({ rooms }) => Object.assign(seen, rooms));
      socket.on("message", ({ rooms, args }) => {
        if (rooms.tea <= seen.tea) return tell("again", args[0]);
        Object.assign(seen, rooms);
        heard.push(args[0]);
        if (args[0] === "end") resolve();
      });
    });
    tell("heard", heard);
    tell("connects", connects);
    socket.disconnect();
  },

  // its server loses its broker for a while: what is said meanwhile has no number, and is not called stored
  async degraded() {
    const socket = io(url, { ...options, auth: { name: "npm" } });
    socket.on("message", ({ rooms, args, unnumbered = [] }) => tell("message", [args[0], Object.keys(rooms), unnumbered]));
    const degraded = once(socket, "degraded");
    const restored = once(socket, "restored");
    await once(socket, "welcome");
    tell("join", await socket.emitWithAck("join", "tea"));
    tell("before", await socket.emitWithAck("say", "tea", "before"));
    tell("degraded", typeof (await degraded).detail);
    tell("alone", await socket.emitWithAck("say", "tea", "alone"));
    tell("join pub", await socket.emitWithAck("join", "pub"));
    await restored;
    tell("after", await socket.emitWithAck("say", "tea", "after"));
    await once(socket, "message"); // ann's
    socket.disconnect();
  },

  // polls first, then upgrades; nothing said meanwhile is lost
  async upgrade() {
    const socket = io(url, { ...options, auth: { name: "npm" } });
    let upgraded = null;
    socket.io.once("open", () => {
      tell("begins", socket.io.engine.transport.name);
      upgraded = once(socket.io.engine, "upgrade");
    });
    const heard = [];
    socket.on("message", ({ args }) => heard.push(args[0]));
    await once(socket, "connect");
    const said = [socket.emitWithAck("join", "tea")];
    for (let n = 0; n < 50; n += 1) {
      said.push(socket.emitWithAck("say", "tea", n));
      await new Promise((resolve) => setImmediate(resolve)); // so that the upgrade comes in between
    }
    await upgraded;
    for (let n = 50; n < 90; n += 1) said.push(socket.emitWithAck("say", "tea", n));
    tell("outcomes", [...new Set((await Promise.all(said)).map((result) => result.status))]);
    tell("goes on", socket.io.engine.transport.name);
    tell("in order", heard.every((value, at) => value === at) && heard.length);
    socket.disconnect();
  },
};

await scenarios[scenario]();
