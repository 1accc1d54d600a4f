// The chat of the real rooms: a plain WebSocket that speaks netlab's packets. Who is in a terminal and who is in this page
// meet in the same room.

import { ChatSession } from "./chat_session.js";
import { button, el, unique } from "./dom.js";
import { DecodeError, ERROR, HELLO, Joiner, DATA, decode, split } from "./packet_codec.js";
import { printable } from "./printable.js";
import { Redial } from "./redial.js";

const MOST_LINES = 300;
const EVERYBODY = "";
const NO_PACKET = "no_packet";

/** Goodbyes after which connecting again would not help. A server that is closed may be started again. */
const LASTING = new Set(["bad_name", "name_taken", "bad_token", "hello_first", "resumed_elsewhere", NO_PACKET]);

export class ChatPane {
  constructor(address, { asksForToken = false } = {}) {
    this._address = address;
    this._asksForToken = asksForToken;
    this._messageId = crypto.getRandomValues(new Uint32Array(1))[0];
    this.node = el("div", { class: "chat" });
    this._lines = el("ol", { class: "lines", role: "log", "aria-label": "What is said", tabindex: 0 });
    this._state = el("p", { class: "state", role: "status" }, "Not in a room.");
    this._build();
  }

  _build() {
    const [name, room, text, to, token] = ["name", "room", "message", "to", "token"].map(unique);
    this._name = el("input", { id: name, required: true, maxlength: 32, autocomplete: "off", value: guestName() });
    this._room = el("input", { id: room, required: true, maxlength: 32, autocomplete: "off", value: "lobby" });
    this._token = el("input", { id: token, type: "password", required: this._asksForToken, autocomplete: "off" });
    this._text = el("input", { id: text, required: true, maxlength: 4000, autocomplete: "off" });
    this._to = el("select", { id: to });
    this._enter = el("form", { class: "enter", onsubmit: (event) => this._connect(event) },
      el("label", { for: name }, "Your name"), this._name, el("label", { for: room }, "Room"), this._room,
      ...(this._asksForToken ? [el("label", { for: token }, "Token"), this._token] : []),
      el("button", { type: "submit", class: "primary" }, "Enter"));
    this._say = el("form", { class: "speak", hidden: true, onsubmit: (event) => this._speak(event) },
      el("label", { for: to }, "To"), this._to,
      el("label", { for: text, class: "visually-hidden" }, "Message"), this._text,
      el("button", { type: "submit", class: "primary" }, "Say"), button("Leave", () => this._leave()));
    this.node.append(this._enter, this._state, this._lines, this._say);
  }

  _connect(event) {
    event.preventDefault();
    this._session = new ChatSession(this._name.value, this._token.value);
    this._redial = new Redial();
    this._inRoom = this._room.value;
    this._hasLeft = false;
    this._state.textContent = "Connecting…";
    this._dial();
  }

  _dial() {
    this._socket?.close();
    this._joiner = new Joiner();
    this._goodbye = null;
    const socket = new WebSocket(this._address);
    this._socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this._session.connected();
      this._flush(HELLO);
    };
    socket.onmessage = ({ data }) => this._received(socket, data);
    socket.onclose = () => socket === this._socket && this._closed();
  }

  /** Goodbye: to the hub too, where it can be reached. */
  _leave() {
    this._hasLeft = true;
    clearTimeout(this._waiting);
    if (this._socket.readyState === WebSocket.CLOSED) this._ended("you left");
    else this._socket.close(1000);
  }

  _flush(type = DATA) {
    for (const message of this._session.take()) {
      for (const packet of split(message, { type, id: this._messageId })) this._socket.send(packet);
      this._messageId = (this._messageId + 1) >>> 0;
    }
  }

  _received(socket, data) {
    let message;
    try {
      const packet = decode(new Uint8Array(data));
      if (packet.type !== DATA && packet.type !== ERROR) return;
      message = this._joiner.add(packet);
    } catch (error) {
      if (!(error instanceof DecodeError || error instanceof SyntaxError || error instanceof TypeError)) throw error;
      this._goodbye = { code: NO_PACKET, words: `what came is no packet of netlab: ${error.message}` };
      socket.close(1000);
      return;
    }
    if (message === null) return;
    for (const happened of this._session.received(message)) this._show(happened);
    this._flush();
  }

  _closed() {
    this._session.cut();
    const { mayResume } = this._session;
    const why = this._goodbye?.words ?? (mayResume ? "the connection is cut" : "no hub answers there, or it takes no page of this address");
    const pause = mayResume && !this._hasLeft && !LASTING.has(this._goodbye?.code) ? this._redial.next(performance.now()) : null;
    if (pause === null) return this._ended(this._hasLeft ? "you left" : why);
    this._state.textContent = `Cut off: ${printable(why)}. Connecting again; what you say now is sent then.`;
    this._waiting = setTimeout(() => this._dial(), pause);
  }

  _ended(why) {
    for (const happened of this._session.end()) this._show(happened);
    this._say.hidden = true;
    this._enter.hidden = false;
    this._state.textContent = `Not in a room: ${printable(why)}.`;
  }

  _speak(event) {
    event.preventDefault();
    const text = this._text.value;
    if (this._to.value === EVERYBODY) this._session.say(this._inRoom, text);
    else this._session.tell(this._to.value, text);
    this._text.value = "";
    this._flush();
  }

  _show(happened) {
    switch (happened.kind) {
      case "welcome":
        this._redial.connected();
        this._session.join(this._inRoom);
        return;
      case "resumed":
        this._redial.connected();
        this._line("notice", "connected again: what was said meanwhile comes now");
        return;
      case "restarted":
        this._redial.connected();
        this._line("notice", "connected again, but the server has forgotten who was here: what was said meanwhile is not told");
        return;
      case "entered":
        this._inRoom = happened.room;
        this._enter.hidden = true;
        if (this._say.hidden) {
          this._say.hidden = false;
          this._text.focus();
        }
        this._members();
        return;
      case "members":
        this._members();
        return;
      case "presence":
        this._members();
        this._line("presence", `${happened.name} ${happened.words}`);
        return;
      case "said":
        this._line(happened.isPrivate ? "private" : happened.mine ? "mine" : "said", happened.text,
          happened.isPrivate ? `${happened.name}, to you alone` : happened.name);
        return;
      case "told":
        this._line("private", happened.text, `you, to ${happened.name} alone`);
        return;
      case "goodbye":
        this._goodbye = happened;
        return;
      default:
        this._line("notice", happened.words ?? "");
    }
  }

  _members() {
    const names = [...(this._session.rooms.get(this._inRoom) ?? [])].sort();
    const others = names.filter((name) => name !== this._session.name);
    const chosen = this._to.value;
    this._to.replaceChildren(el("option", { value: EVERYBODY }, `everybody in ${printable(this._inRoom)}`),
      ...others.map((name) => el("option", { value: name, selected: name === chosen }, `${printable(name)} alone`)));
    this._state.textContent = `In ${printable(this._inRoom)} as ${printable(this._session.name)}: ${names.map(printable).join(", ")}.`;
  }

  _line(kind, text, who = null) {
    this._lines.append(el("li", { class: kind }, who && el("b", {}, `${printable(who)}: `), printable(text)));
    while (this._lines.children.length > MOST_LINES) this._lines.firstChild.remove();
    this._lines.scrollTop = this._lines.scrollHeight;
  }
}

const guestName = () => `page-${Math.floor(Math.random() * 900 + 100)}`;
