// Before and after: sentences for every lane, and the ladders of one lane side by side with what differs marked.

import { button, el } from "./dom.js";
import { difference } from "./compare.js";
import { LanesView } from "./lanes_view.js";

export class CompareView {
  constructor({ pick, close }) {
    this._sentences = el("div", { class: "differences", role: "radiogroup", "aria-label": "Lane to compare" });
    this._lanes = new LanesView({ pick: (over, packet, index) => index === 1 && pick(over, packet) });
    this._what = el("p", { class: "what" });
    this.node = el("section", { class: "compare", "aria-label": "Before and after", hidden: true },
      el("header", {}, el("h2", {}, "Before and after"), button("Back to all lanes", close, { keys: "C" })),
      this._what, this._sentences, el("p", { class: "note" },
        "◇ the same packet with another fate or time; ◆ only in this run. Unmarked packets are the same in both."),
      this._lanes.node);
  }

  /** Two runs, and what was done between them. The lane that was changed by hand is shown first. */
  open(before, after, what, over) {
    this.node.hidden = false;
    this._what.textContent = what;
    this._found = difference(before, after);
    const wanted = this._found.lanes.find((lane) => lane.over === over && !lane.same);
    this._show((wanted ?? this._found.lanes.find((lane) => !lane.same) ?? this._found.lanes[0]).over);
  }

  _show(over) {
    const found = this._found.lanes.find((lane) => lane.over === over);
    this._sentences.replaceChildren(...this._found.lanes.map((lane) => this._choice(lane, lane.over === over)));
    this._lanes.load([
      { lane: found.before, name: `${found.title} before`, marks: found.marks.before },
      { lane: found.after, name: `${found.title} now`, marks: found.marks.after },
    ]);
    this._lanes.show(Infinity);
  }

  /** What differs in the lanes that differ, to be read aloud. */
  sentences() {
    const changed = this._found.lanes.filter((lane) => !lane.same);
    if (!changed.length) return ["Nothing differs: both runs are the same, packet for packet."];
    return changed.map((lane) => `${lane.title}: ${lane.sentences.join(" ")}`);
  }

  _choice({ over, title, sentences, same }, chosen) {
    return el("button", { type: "button", role: "radio", class: same ? "same" : "changed", "data-over": over,
      "aria-checked": String(chosen), tabindex: chosen ? 0 : -1,
      onclick: () => this._choose(over),
      onkeydown: (event) => this._walk(event, over) },
      el("strong", {}, title), " ", sentences.join(" "));
  }

  _choose(over) {
    this._show(over);
    this.focus();
  }

  /** To the lane that is shown. */
  focus() {
    this._sentences.querySelector("[aria-checked=true]").focus({ preventScroll: true });
  }

  _walk(event, over) {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const all = this._found.lanes;
    const place = all.findIndex((lane) => lane.over === over) + step;
    this._choose(all[(place + all.length) % all.length].over);
  }

  close() {
    this.node.hidden = true;
  }

  get isOpen() {
    return !this.node.hidden;
  }
}
