// One person in the real rooms: messages of the hub in, what to show out. No socket and no page in it. It outlives its
// connections: after a cut it resumes, what was asked is asked again under its own number, and what was heard is not heard
// twice.

import { quoted } from "./printable.js";

const TEXT = "message"; // what a text is called, as in terminals
const UNNUMBERED = 1000; // events heard without a number that are remembered

/** The session of somebody who is called `name`. What is to be sent is taken with `take()`. */
export class ChatSession {
  constructor(name, token = "") {
    this.name = name;
    this.sid = null;
    this.rooms = new Map(); // room -> names of who is in it
    this._token = token;
    this._secret = null; // resumes the session
    this._open = false;
    this._seen = new Map(); // room -> the last number heard there, and the numbering that it belongs to
    this._unnumbered = new Set();
    this._op = 0;
    this._underWay = new Map(); // op -> what was asked, and what becomes of its result
    this._outgoing = [];
  }

  /** There is a connection: the first, or after a cut the next. */
  connected() {
    this._open = false;
    const seen = Object.fromEntries([...this._seen].map(([room, { last }]) => [room, last]));
    const resume = this._secret && { sid: this.sid, secret: this._secret, seen };
    this._outgoing = [{ type: "hello", name: this.name, ...(this._token && { token: this._token }), ...(resume && { resume }) }];
  }

  /** The connection is cut. What is asked from now on waits for the next. */
  cut() {
    this._open = false;
    this._outgoing = [];
  }

  /** Whether the hub may know this session still. */
  get mayResume() {
    return this._secret !== null;
  }

  /** There will be no other connection: what became of what was said. */
  end() {
    const notices = [...this._underWay.values()].flatMap((asked) => fateOf(asked));
    this._underWay.clear();
    return notices;
  }

  /** The messages that wait to be sent. */
  take() {
    return this._outgoing.splice(0);
  }

  join(room, seen = null) {
    this._ask({ type: "join", room, ...(seen && { seen: seen.last, epoch: seen.epoch }) }, (result) => {
      if (result.status !== "ok") {
        this._forget(room);
        return [notice(`you are not in ${room}: ${reason(result)}`)];
      }
      const [[spelled, number]] = Object.entries(result.rooms ?? { [room]: 0 });
      this._heardUpTo(spelled, number, result.epoch);
      this.rooms.set(spelled, new Set([this.name]));
      this._who(spelled, "");
      return [{ kind: "entered", room: spelled }];
    });
  }

  leave(room) {
    this._ask({ type: "leave", room }, () => {
      this._forget(room);
      return [{ kind: "left", room }];
    });
  }

  /** To everybody in a room. */
  say(room, text) {
    this._emit([room], text, `in ${room}`);
  }

  /** To one person alone: into the room that is named by their own sid. */
  tell(name, text) {
    this._ask({ type: "find", name }, (result) => {
      if (result.status !== "ok") return [notice(`${name} is not told: ${reason(result)}`)];
      this._emit([result.data.sid], text, `to ${name}`);
      return [{ kind: "told", name, text }];
    }, text);
  }

  /** A message of the hub. Returns what it means for who looks on. */
  received(message) {
    switch (message.type) {
      case "welcome":
        return this._welcome(message);
      case "message":
        return this._isNew(message) ? this._heard(message) : [];
      case "joined":
        return this._presence(message, (names) => names.add(message.name), "joins");
      case "left":
        return this._presence(message, (names) => names.delete(message.name), LEAVING[message.reason] ?? "leaves");
      case "result":
        return this._result(message);
      case "gap":
        return this._gap(message);
      case "degraded":
        return [notice("the hub is cut off from the others: what is said now has no number")];
      case "restored":
        return [notice("the hub is together with the others again")];
      case "goodbye":
        if (message.code === "malformed") return [notice(`the hub could not read what was sent: ${reason(message)}`)];
        return [{ kind: "goodbye", code: message.code, words: reason(message) }];
      default:
        return [];
    }
  }

  // ---- the session

  _welcome({ sid, name, secret, resumed }) {
    const before = this.mayResume ? this.sid : null;
    Object.assign(this, { sid, name, _secret: secret, _open: true });
    if (before !== null && !resumed) return [{ kind: "restarted" }, ...this._restart(before)];
    if (!this._seen.has(sid)) this._heardUpTo(sid, 0);
    this._outgoing.push(...[...this._underWay.values()].map((asked) => this._sent(asked)));
    for (const room of resumed ? this.rooms.keys() : []) this._whoAnew(room);
    return [{ kind: resumed ? "resumed" : "welcome", name }];
  }

  /** The session is lost, and a new one begins: into the rooms again, and what was not sent yet is sent now. */
  _restart(before) {
    const underWay = [...this._underWay.values()];
    this._underWay.clear();
    this._seen.delete(before);
    this._heardUpTo(this.sid, 0);
    for (const room of this.rooms.keys()) {
      const seen = this._seen.get(room);
      this._seen.delete(room);
      this.join(room, seen?.epoch ? seen : null);
    }
    const notices = [];
    for (const asked of underWay) {
      const { message: { op, ...message }, then, text } = asked;
      if (message.type === "who" || message.type === "leave" || (message.type === "join" && this.rooms.has(message.room))) continue;
      if (asked.sent && message.type === "emit") notices.push(...fateOf(asked));
      else this._ask(message, then, text);
    }
    return notices;
  }

  _forget(room) {
    this.rooms.delete(room);
    this._seen.delete(room);
  }

  // ---- what is heard

  _heardUpTo(room, number, epoch = "") {
    const before = this._seen.get(room) ?? { last: 0, epoch };
    const anew = epoch && before.epoch && epoch !== before.epoch;
    this._seen.set(room, { last: anew ? number : Math.max(number, before.last), epoch: epoch || before.epoch });
  }

  /** Notes an event's numbers. Over WebSocket they come in order: one that is not higher was heard before the cut. */
  _isNew({ rooms = {}, sid, op, unnumbered = [] }) {
    const said = `${sid} ${op}`;
    if (unnumbered.length) {
      this._unnumbered.add(said);
      if (this._unnumbered.size > UNNUMBERED) this._unnumbered.delete(this._unnumbered.values().next().value);
      return true;
    }
    const numbers = Object.entries(rooms).filter(([room]) => this._seen.has(room));
    const again = numbers.length > 0 && numbers.every(([room, number]) => number <= this._seen.get(room).last);
    for (const [room, number] of numbers) this._heardUpTo(room, number);
    return !again && !this._unnumbered.has(said);
  }

  _heard({ name, sid, rooms = {}, unnumbered = [], event, args, time }) {
    const [text] = args ?? [];
    if (event !== TEXT || typeof text !== "string") return [];
    const to = [...Object.keys(rooms), ...unnumbered];
    const isPrivate = to.includes(this.sid);
    return [{ kind: "said", name, text, room: isPrivate ? null : to[0], isPrivate, mine: sid === this.sid, time }];
  }

  _presence(message, change, words) {
    if (!this._isNew(message)) return [];
    const { type, sid, name, rooms } = message;
    if (type === "joined" && sid === this.sid) for (const [room, number] of Object.entries(rooms)) this._heardUpTo(room, number);
    return Object.keys(rooms).filter((room) => this.rooms.has(room)).map((room) => {
      change(this.rooms.get(room));
      return { kind: "presence", room, name, words };
    });
  }

  _gap({ room, from, to, epoch, since = 0 }) {
    if (epoch) this._seen.set(room, { last: since, epoch });
    else if (to !== null) this._heardUpTo(room, to);
    if (this.rooms.has(room)) this._whoAnew(room);
    return [notice(gapWords({ room, from, to }))];
  }

  // ---- what is asked

  _result(message) {
    const asked = this._underWay.get(message.op);
    this._underWay.delete(message.op);
    return asked ? asked.then(message) : [];
  }

  _whoAnew(room) {
    this.rooms.set(room, new Set([this.name]));
    this._who(room, "");
  }

  _who(room, after) {
    this._ask({ type: "who", room, ...(after && { after }) }, (result) => {
      const members = result.status === "ok" ? result.data.members : [];
      for (const { name } of members) this.rooms.get(room)?.add(name);
      if (members.length && result.data.more) this._who(room, members.at(-1).name);
      return [{ kind: "members", room }];
    });
  }

  _emit(to, text, where) {
    this._ask({ type: "emit", event: TEXT, to, args: [text] }, (result) =>
      result.status === "ok" ? [] : [notice(`not said ${where}: ${reason(result)}`)], text,
    );
  }

  _ask({ type, ...rest }, then, text = null) {
    this._op += 1;
    const asked = { message: { type, op: this._op, ...rest }, then, text, sent: false };
    this._underWay.set(this._op, asked);
    if (this._open) this._outgoing.push(this._sent(asked));
  }

  _sent(asked) {
    asked.sent = true;
    return asked.message;
  }
}

/** Of something said whose result will not come. */
const fateOf = ({ message, text, sent }) => {
  if (text === null) return [];
  return [notice(sent && message.type === "emit" ? `${quoted(text)}: nobody can tell whether it was heard` : `${quoted(text)}: not sent`)];
};

const LEAVING = { left: "leaves", quit: "says goodbye", lost: "is lost: no word came" };

const notice = (words) => ({ kind: "notice", words });

const reason = ({ code = "", detail = "" }) => detail || code || "no reason given";

const gapWords = ({ room, from, to }) =>
  to === null ? `what was said in ${room} from number ${from} on, if anything, is missed for good` : `numbers ${from} to ${to} of ${room} were missed for good`;
