// A student's side: a name, a text, and what became of it; the datagrams cross the teacher's hand.

import { el, unique } from "./dom.js";
import { printable, quoted } from "./printable.js";

const MOST_LINES = 300;

export class StudentPane {
  constructor(address, token) {
    this._address = address;
    const [name, secret, over, text] = ["name", "token", "over", "text"].map(unique);
    this._name = el("input", { id: name, required: true, maxlength: 32, autocomplete: "off" });
    this._token = el("input", { id: secret, required: true, type: "password", autocomplete: "off", value: token });
    this._over = el("select", { id: over }, el("option", { value: "udp" }, "UDP"), el("option", { value: "rudp" }, "reliable UDP"));
    this._text = el("input", { id: text, required: true, maxlength: 400, autocomplete: "off" });
    this._enter = el("form", { onsubmit: (event) => this._join(event) },
      el("label", { for: name }, "Your name"), this._name, el("label", { for: secret }, "Token"), this._token,
      el("label", { for: over }, "Over"), this._over, el("button", { type: "submit", class: "primary" }, "Join the class"));
    this._say = el("form", { class: "speak", hidden: true, onsubmit: (event) => this._speak(event) },
      el("label", { for: text }, "Say"), this._text, el("button", { type: "submit", class: "primary" }, "Send"));
    this._state = el("p", { class: "state", role: "status" }, "Not in the class yet.");
    this._lines = el("ol", { class: "lines", role: "log", "aria-label": "What is said", tabindex: 0 });
    this.node = el("div", { class: "chat student" }, this._enter, this._state, this._lines, this._say);
  }

  _join(event) {
    event.preventDefault();
    this._why = null;
    const socket = new WebSocket(this._address);
    this._socket = socket;
    this._state.textContent = "Joining…";
    socket.onopen = () =>
      socket.send(JSON.stringify({ token: this._token.value, name: this._name.value, over: this._over.value }));
    socket.onmessage = ({ data }) => this._took(JSON.parse(data));
    socket.onclose = () => {
      this._enter.hidden = false;
      this._say.hidden = true;
      this._state.textContent = `Not in the class: ${this._why ?? "the connection is cut"}.`;
    };
  }

  _speak(event) {
    event.preventDefault();
    this._socket.send(JSON.stringify({ say: this._text.value }));
    this._line("mine", `you say: ${printable(this._text.value)}`);
    this._text.value = "";
  }

  _took(message) {
    switch (message.type) {
      case "in":
        this._enter.hidden = true;
        this._say.hidden = false;
        this._state.textContent = `In ${printable(message.room)} as ${printable(message.name)}. Your packets cross the teacher's hand.`;
        this._text.focus();
        return;
      case "heard":
        this._line("said", `${printable(message.name)}: ${printable(message.text)}`);
        return;
      case "ended":
        this._line("notice", `${quoted(message.text)}: ${ENDED[message.outcome] ?? message.outcome}`);
        return;
      case "joined":
      case "left":
        this._line("presence", `${printable(message.name)} ${message.type === "joined" ? "joins" : "leaves"}`);
        return;
      case "status":
        this._line("notice", printable(`${message.status} ${message.detail ?? ""}`));
        return;
      case "missed":
        this._line("notice", `${message.count} messages were missed: this page is too slow`);
        return;
      default:
        this._why = printable(message.error ?? "");
        this._line("notice", this._why);
    }
  }

  _line(kind, words) {
    this._lines.append(el("li", { class: kind }, words));
    while (this._lines.children.length > MOST_LINES) this._lines.firstChild.remove();
    this._lines.scrollTop = this._lines.scrollHeight;
  }
}

const ENDED = {
  ok: "the hub has it",
  failed: "surely not said",
  unknown: "nobody can tell whether it came",
};
