// The teacher's side: every host of the class with its line, the packets that wait, and a hand on each.

import { ClassView } from "./class_view.js";
import { button, el, unique } from "./dom.js";
import { printable } from "./printable.js";

const DECISIONS = [["pass", "Pass"], ["drop", "Drop"], ["delay", "Delay 1 s"], ["corrupt", "Corrupt"]];
const MOST_PASSED = 40;

export class TeacherPane {
  constructor(address, secret, page) {
    this._view = new ClassView();
    this._page = page;
    this._build();
    const socket = new WebSocket(address);
    this._socket = socket;
    socket.onopen = () => socket.send(JSON.stringify({ secret }));
    socket.onmessage = ({ data }) => this._took(JSON.parse(data));
    socket.onclose = () => this._say(this._refused ?? "The connection to netlab web is cut: open this page again.");
  }

  _build() {
    const heading = unique("waiting");
    this._told = el("p", { class: "told", role: "status" });
    this._joining = el("div", { class: "joining" });
    this._hosts = el("tbody");
    this._waiting = el("ol", { class: "waiting", "aria-labelledby": heading });
    this._passed = el("ol", { class: "passed", "aria-label": "What has passed, the latest first" });
    this.node = el("div", { class: "teacher" }, this._joining, this._told,
      el("section", { "aria-label": "Hosts" },
        el("div", { class: "row" }, el("h2", {}, "Hosts"),
          button("Hold everybody", () => this._order({ do: "hold" })),
          button("Let everybody go", () => this._letGo("")),
          button("Drop all that wait", () => this._order({ do: "drop" }))),
        el("div", { class: "scrolled", tabindex: 0, role: "region", "aria-label": "Hosts of the class" }, el("table", {}, el("thead", {}, el("tr", {},
          ...["Name", "Over", "Address", "Sent", "Got", "Waiting", "Line", "Hand"].map((name) => el("th", { scope: "col" }, name)))),
          this._hosts))),
      el("div", { class: "halves" },
        el("section", {}, el("h2", { id: heading }, "Waiting for your hand"), this._waiting),
        el("section", {}, el("h2", {}, "Passed"), this._passed)));
  }

  _took(message) {
    if (message.type === "refused") this._refused = printable(message.error);
    const said = this._view.take(message);
    if (said) this._say(printable(said));
    if (message.type === "class") this._showJoining();
    if (this._due) return;
    this._due = requestAnimationFrame(() => {
      this._due = null;
      this._show();
    });
  }

  _say(words) {
    this._told.textContent = words;
  }

  _order(order) {
    this._socket.send(JSON.stringify(order));
  }

  /** Releases, and passes what waits. */
  _letGo(host) {
    this._order({ do: "release", host });
    this._order({ do: "pass", host });
  }

  _showJoining() {
    this._joining.replaceChildren(
      el("p", {}, "Students open ", el("code", {}, this._page), " with the token ", el("code", { class: "token" }, this._view.token)),
      el("p", { class: "terminals" }, "or in a terminal: ", ...this._view.join.flatMap((url, nth) => [nth ? " or " : "", el("code", {}, asTyped(url))]), ", with --token"));
  }

  _show() {
    const focused = document.activeElement?.dataset?.does;
    keep(this._hosts, this._view.hostsWithWaiting(), (host) => host.id, (host) => this._host(host));
    this._waiting.replaceChildren(...this._view.waiting().map((packet) => this._packet(packet)));
    this._passed.replaceChildren(...this._view.passed().slice(0, MOST_PASSED).map((packet) =>
      el("li", { class: "gone" }, el("b", {}, printable(packet.state)), " ", this._words(packet))));
    if (focused && document.activeElement === document.body) {
      const same = [...this.node.querySelectorAll("[data-does]")].find((node) => node.dataset.does === focused);
      (same ?? this._waiting.querySelector("button") ?? this.node.querySelector("button"))?.focus();
    }
  }

  _words(packet) {
    const name = printable(this._view.nameOf(packet.host));
    return `${packet.way === "there" ? `${name} → hub` : `hub → ${name}`}: ${printable(packet.says)} (${packet.bytes} B)`;
  }

  _packet(packet) {
    const words = this._words(packet);
    return el("li", {}, el("span", { class: "words" }, words), el("span", { class: "hand" },
      ...DECISIONS.map(([decision, name]) =>
        button(name, () => this._order({ do: decision, host: packet.host, packet: packet.id }),
          { "aria-label": `${name}: ${words}`, "data-does": `${decision} ${packet.id}` }))));
  }

  _host(host) {
    const name = printable(host.name || "not yet named");
    const line = el("input", { type: "text", value: host.link, "aria-label": `Line of ${name}, such as loss=20% delay=50ms`,
      placeholder: "loss=20%", size: 16, onchange: () => this._order({ do: "link", host: host.id, link: line.value }) });
    const held = button(host.held ? "Let go" : "Hold",
      () => (host.held ? this._letGo(host.id) : this._order({ do: "hold", host: host.id })),
      { "aria-pressed": String(host.held), "aria-label": `${host.held ? "Let go" : "Hold"} ${name}` });
    return el("tr", { class: host.held ? "held" : "" }, el("th", { scope: "row" }, name), el("td", {}, host.over),
      el("td", {}, host.address), el("td", {}, String(host.there)), el("td", {}, String(host.back)),
      el("td", {}, String(host.waiting)), el("td", {}, line), el("td", {}, held));
  }
}

/** Rows are made anew only where what they show has changed, so that nobody types into a row that goes away. */
function keep(body, things, keyOf, make) {
  const old = new Map([...body.children].map((row) => [row.dataset.key, row]));
  const rows = things.map((thing) => {
    const key = keyOf(thing);
    const said = JSON.stringify(thing);
    const row = old.get(key);
    if (row && (row.dataset.said === said || row.querySelector("input") === document.activeElement)) return row;
    const made = make(thing);
    made.dataset.key = key;
    made.dataset.said = said;
    if (row?.contains(document.activeElement)) queueMicrotask(() => made.querySelector("button").focus());
    return made;
  });
  if (rows.length !== body.children.length || rows.some((row, i) => row !== body.children[i])) body.replaceChildren(...rows);
}

/** The command that joins there. */
function asTyped(url) {
  const { protocol, hostname, port } = new URL(url);
  return `netlab ${protocol.slice(0, -1)}-chat --host ${hostname.replace(/^\[|\]$/g, "")} --port ${port}`;
}
