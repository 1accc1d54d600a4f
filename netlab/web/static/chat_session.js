// One person in the real rooms: messages of the hub in, what to show out. No socket and no page in it.

const TEXT = "message"; // what a text is called, as in terminals

/** The session of somebody who is called `name`. What is to be sent is taken with `take()`. */
export class ChatSession {
  constructor(name, token = "") {
    this.name = name;
    this.sid = null;
    this.rooms = new Map(); // room -> names of who is in it
    this._op = 0;
    this._asked = new Map(); // op -> what becomes of its result
    this._outgoing = [];
    this._send({ type: "hello", name, ...(token && { token }) });
  }

  /** The messages that wait to be sent. */
  take() {
    return this._outgoing.splice(0);
  }

  join(room) {
    this._ask({ type: "join", room }, (result) => {
      if (result.status !== "ok") return [notice(`you are not in ${room}: ${reason(result)}`)];
      this.rooms.set(room, new Set([this.name]));
      this._who(room, "");
      return [{ kind: "entered", room }];
    });
  }

  leave(room) {
    this._ask({ type: "leave", room }, () => {
      this.rooms.delete(room);
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
    });
  }

  /** A message of the hub. Returns what it means for who looks on. */
  received(message) {
    switch (message.type) {
      case "welcome":
        this.sid = message.sid;
        this.name = message.name;
        return [{ kind: "welcome", name: message.name }];
      case "message":
        return this._heard(message);
      case "joined":
        return this._presence(message, (names) => names.add(message.name), "joins");
      case "left":
        return this._presence(message, (names) => names.delete(message.name), LEAVING[message.reason] ?? "leaves");
      case "result":
        return this._result(message);
      case "gap":
        return [notice(`${gapWords(message)} of ${message.room} were missed for good`)];
      case "degraded":
        return [notice("the hub is cut off from the others: what is said now has no number")];
      case "restored":
        return [notice("the hub is together with the others again")];
      case "goodbye":
        return [{ kind: "goodbye", words: reason(message) }];
      default:
        return [];
    }
  }

  _heard({ name, sid, rooms, event, args, time }) {
    const [text] = args ?? [];
    if (event !== TEXT || typeof text !== "string") return [];
    const isPrivate = this.sid in rooms;
    const room = isPrivate ? null : Object.keys(rooms)[0];
    return [{ kind: "said", name, text, room, isPrivate, mine: sid === this.sid, time }];
  }

  _presence({ name, rooms }, change, words) {
    return Object.keys(rooms).filter((room) => this.rooms.has(room)).map((room) => {
      change(this.rooms.get(room));
      return { kind: "presence", room, name, words };
    });
  }

  _result(message) {
    const then = this._asked.get(message.op);
    this._asked.delete(message.op);
    return then ? then(message) : [];
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
      result.status === "ok" ? [] : [notice(`not said ${where}: ${reason(result)}`)],
    );
  }

  _ask({ type, ...rest }, then) {
    this._op += 1;
    this._asked.set(this._op, then);
    this._send({ type, op: this._op, ...rest });
  }

  _send(message) {
    this._outgoing.push(message);
  }
}

const LEAVING = { left: "leaves", quit: "says goodbye", lost: "is lost: no word came" };

const notice = (words) => ({ kind: "notice", words });

const reason = ({ code = "", detail = "" }) => detail || code || "no reason given";

const gapWords = ({ from, to }) => (to === null ? `messages from ${from} on` : `messages ${from} to ${to}`);
