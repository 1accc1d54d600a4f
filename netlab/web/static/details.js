// What one packet is: its line, its fate, buttons that decide its fate by hand, and its bytes.

import { byteMap } from "./byte_map.js";
import { button, el } from "./dom.js";
import { printable } from "./printable.js";
import { hostName, ending } from "./words.js";
import { count, moment } from "./units.js";

/** What may be done to a packet by hand. */
export const DEEDS = [
  { words: "Drop this packet", keys: "D", fate: { do: "drop" }, done: "dropped by hand" },
  { words: "Delay it by 50 ms", keys: "L", fate: { do: "delay", by: "50ms" }, done: "delayed by hand" },
  { words: "Corrupt it", keys: "O", fate: { do: "corrupt" }, done: "corrupted by hand" },
  { words: "Double it", keys: "U", fate: { do: "duplicate" }, done: "doubled by hand" },
];

/** What may be done to a packet that does not arrive. */
export const RESCUE = { words: "Let it through", keys: "T", fate: { do: "deliver" }, done: "let through by hand" };

/** The pane. `decide(deed or null)` forces a fate or takes it back; `close()` ends it. */
export class Details {
  constructor({ decide, close }) {
    this._decide = decide;
    this._heading = el("h3", { tabindex: -1 });
    this._body = el("div", { class: "body" });
    this.node = el("section", { class: "details", "aria-label": "The chosen packet", hidden: true,
      onkeydown: (event) => {
        if (event.key !== "Escape") return;
        event.stopPropagation();
        close();
      } },
      el("header", {}, this._heading, button("Close", close, { keys: "Esc" })), this._body);
  }

  get isOpen() {
    return !this.node.hidden;
  }

  open({ title, packet, forced }) {
    this.node.hidden = false;
    this._heading.textContent = `${title}: ${hostName(packet.source)} → ${hostName(packet.destination)}`;
    const deeds = forced
      ? [button("Let it go as the dice say", () => this._decide(null), { class: "primary" })]
      : [...(packet.came.length ? [] : [RESCUE]), ...DEEDS].map((deed, i) => button(deed.words, () => this._decide(deed), { keys: deed.keys, class: i ? "" : "primary" }));
    this._bytes = el("div", { class: "map", "aria-busy": "true" }, el("p", {}, "Taking it apart…"));
    this._body.replaceChildren(
      el("p", { class: "says" }, printable(packet.says)),
      el("p", {}, `Sent at ${moment(packet.sent)}, ${count(packet.bytes, "byte")}; ${ending(packet)}`
        + `${packet.again ? "; it carries what was sent before" : ""}.`),
      el("div", { class: "deeds", role: "group", "aria-label": "Its fate by hand" }, ...deeds),
      this._bytes);
  }

  /** The bytes came. */
  showBytes(taken) {
    this._bytes.removeAttribute("aria-busy");
    const across = this.node.clientWidth && this.node.clientWidth < 390 ? 8 : 16;
    this._bytes.replaceChildren(byteMap(taken, { across }));
  }

  showError(words) {
    this._bytes.removeAttribute("aria-busy");
    this._bytes.replaceChildren(el("p", { class: "error" }, words));
  }

  focus() {
    this._heading.focus();
  }

  close() {
    this.node.hidden = true;
  }
}
