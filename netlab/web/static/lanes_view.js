// The ladders side by side under one scale of time, each below its sentence; and how the keyboard walks through packets:
// up and down in a lane, left and right to the packet of the next lane that was sent at about the same time.

import { el, svg } from "./dom.js";
import { ladder } from "./ladder.js";
import { sizesFor, ticks, timeScale } from "./time_scale.js";
import { outcomes, standing, stateWords, tally } from "./words.js";
import { moment } from "./units.js";

const GUTTER = 58; // pixels at the usual size of type; all of this grows with it
const NARROWEST = 205;
const USUAL_TYPE = 16;

/** Some lanes. `pick(over, packet)` is called when a packet is chosen. */
export class LanesView {
  constructor({ pick }) {
    this._pick = pick;
    this._views = [];
    this._width = 0;
    this.cursor = 0;
    this.node = el("div", { class: "lanes", onkeydown: (event) => this._walk(event) });
    new ResizeObserver(() => this._resized()).observe(this.node);
  }

  /** Draws lanes: [{lane, name, marks}], as of the last cursor. */
  load(lanes) {
    this._lanes = lanes;
    this._draw();
  }

  _resized() {
    const same = this.node.clientWidth === this._width && this._typeSize() === this._type;
    if (!same && this._lanes) this._draw();
  }

  /** How large type is, 1 as usual: on a projector it is larger. */
  _typeSize() {
    return this.node.isConnected ? parseFloat(getComputedStyle(this.node).fontSize) / USUAL_TYPE : 1;
  }

  _draw() {
    const focused = document.activeElement?.dataset?.packet && this.node.contains(document.activeElement)
      ? [document.activeElement.closest(".lane").dataset.lane, document.activeElement.dataset.packet] : null;
    this._width = this.node.clientWidth;
    this._type = this._typeSize();
    this.scale = timeScale(this._lanes.map(({ lane }) => lane), sizesFor(this._type));
    const free = (this._width || 1200) - GUTTER * this._type - 16;
    const fitting = Math.max(1, Math.min(this._lanes.length, Math.floor(free / (NARROWEST * this._type))));
    const width = Math.floor(free / fitting);
    this._views = this._lanes.map(({ lane, name, marks }, index) => this._lane(lane, name, marks, width, index));
    this.node.replaceChildren(axis(this.scale, this._type), ...this._views.map((view) => view.node));
    this.show(this.cursor);
    if (focused) this.focus(...focused);
  }

  _lane(lane, name = lane.title, marks, width, index) {
    const drawn = ladder({ lane, name, scale: this.scale, width, type: this._type, marks, pick: (packet) => {
      this._rove(view, packet.id);
      this._pick(lane.over, packet, index);
    } });
    const sentence = el("p", { class: "sentence" });
    const counters = el("p", { class: "tally" });
    const state = el("p", { class: "tally state" });
    const node = el("section", { class: "lane", "data-lane": index, "data-over": lane.over, "aria-label": name },
      el("header", {}, el("h3", {}, name), sentence, counters, state,
        el("p", { class: "hosts", "aria-hidden": "true" }, el("span", {}, "ann"), el("span", {}, "hub, bob"))),
      drawn.node);
    const view = { lane, node, drawn, sentence, counters, state };
    return view;
  }

  show(cursor) {
    this.cursor = cursor;
    for (const { lane, drawn, sentence, counters, state } of this._views) {
      drawn.show(cursor);
      const said = outcomes(lane, cursor);
      sentence.textContent = said.slice(-2).join(" ") || lane.broken || "Nothing said yet.";
      sentence.dataset.standing = standing(lane, cursor);
      counters.textContent = tally(lane, cursor);
      state.textContent = stateWords(lane, cursor);
      this._keepEntry({ lane, drawn });
    }
  }

  /** Brings the cursor's height into view, gently or at once. */
  follow(smooth) {
    const free = this.node.clientHeight - (this._views[0]?.node.querySelector("header").offsetHeight ?? 0);
    const top = this.scale.at(this.cursor) - free * 0.75;
    this.node.scrollTo({ top: Math.max(0, top), behavior: smooth ? "smooth" : "instant" });
  }

  /** The keyboard comes into a lane at one packet. */
  _keepEntry({ lane, drawn }) {
    const at = [...drawn.packets].find(([, node]) => node.tabIndex === 0);
    if (at && !at[1].classList.contains("later")) return;
    if (at) at[1].tabIndex = -1;
    const shown = lane.packets.find((packet) => packet.sent <= this.cursor);
    if (shown) drawn.packets.get(shown.id).tabIndex = 0;
  }

  _rove(view, id) {
    for (const [other, node] of view.drawn.packets) node.tabIndex = other === id ? 0 : -1;
    view.drawn.packets.get(id)?.focus();
  }

  focus(lane, id) {
    const view = this._views[lane];
    if (view) this._rove(view, id);
  }

  _walk(event) {
    const node = event.target.closest?.("[data-packet]");
    if (!node || event.ctrlKey || event.altKey || event.metaKey) return;
    const index = Number(node.closest(".lane").dataset.lane);
    const view = this._views[index];
    const shown = view.lane.packets.filter((packet) => packet.sent <= this.cursor);
    const place = shown.findIndex((packet) => packet.id === node.dataset.packet);
    const last = shown.length - 1;
    const inLane = { ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: last }[event.key];
    const beside = { ArrowLeft: index - 1, ArrowRight: index + 1 }[event.key];
    if (inLane !== undefined) {
      if (shown[inLane]) this._rove(view, shown[inLane].id);
    } else if (beside !== undefined) {
      const other = this._views[beside];
      const nearest = other && near(other.lane.packets.filter((p) => p.sent <= this.cursor), shown[place].sent);
      if (nearest) this._rove(other, nearest.id);
    } else if (event.key === "Enter" || event.key === " ") {
      this._pick(view.lane.over, shown[place], index);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

const near = (packets, at) =>
  packets.reduce((best, packet) => (!best || Math.abs(packet.sent - at) < Math.abs(best.sent - at) ? packet : best), null);

function axis(scale, type) {
  const width = GUTTER * type;
  const node = svg("svg", { class: "axis", width, height: scale.height, "aria-hidden": "true" });
  let last = null; // two moments may read the same
  for (const time of ticks(scale, 30 * type)) {
    if (moment(time) === last) continue;
    last = moment(time);
    const y = scale.at(time);
    node.append(svg("text", { x: width - 10, y: y + 4 * type, "text-anchor": "end" }, last),
      svg("line", { x1: width - 6, x2: width, y1: y, y2: y }));
  }
  return el("div", { class: "gutter", "aria-hidden": "true" }, el("div", { class: "corner" }), node);
}
