// The chat of the real rooms: a plain WebSocket that speaks netlab's packets. Who is in a terminal and who is in this page
// meet in the same room.

import { ChatSession } from "./chat_session.js";
import { button, el, unique } from "./dom.js";
import { DecodeError, ERROR, HELLO, Joiner, DATA, decode, split } from "./packet_codec.js";
import { printable } from "./printable.js";

const MOST_LINES = 300;
const EVERYBODY = "";

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
      el("button", { type: "submit", class: "primary" }, "Say"), button("Leave", () => this._socket.close(1000)));
    this.node.append(this._enter, this._state, this._lines, this._say);
  }

  _connect(event) {
    event.preventDefault();
    this._session = new ChatSession(this._name.value, this._token.value);
    this._joiner = new Joiner();
    this._inRoom = this._room.value;
    this._goodbye = null;
    this._state.textContent = "Connecting…";
    this._socket?.close();
    const socket = new WebSocket(this._address);
    this._socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this._flush(HELLO);
    socket.onmessage = ({ data }) => this._received(socket, data);
    socket.onclose = ({ code }) => socket === this._socket && this._closed(code);
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
      this._goodbye = `what came is no packet of netlab: ${error.message}`;
      socket.close(1000);
      return;
    }
    if (message === null) return;
    for (const happened of this._session.received(message)) this._show(happened);
    this._flush();
  }

  _closed(code) {
    const was = this._session.sid !== null;
    this._session.sid = null;
    this._say.hidden = true;
    this._enter.hidden = false;
    const why = this._goodbye ?? (code === 1000 ? "you left" : was ? "the connection is cut" : "no hub answers there");
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
        this._session.join(this._inRoom);
        return;
      case "entered":
        this._inRoom = happened.room;
        this._enter.hidden = true;
        this._say.hidden = false;
        this._text.focus();
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
        this._goodbye = happened.words;
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
