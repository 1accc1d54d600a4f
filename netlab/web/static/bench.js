// The bench: one text, carried by several transports side by side. It holds the script and the cursor; runs come from a
// source (sources.js). The page and the notebook's widget show the same bench.

import { CompareView } from "./compare_view.js";
import { DEEDS, Details, RESCUE } from "./details.js";
import { button, download, el, unique } from "./dom.js";
import { LanesView } from "./lanes_view.js";
import { Player } from "./player.js";
import { playerBar } from "./player_bar.js";
import { quoted } from "./printable.js";
import { fateOf, fresh, linkAt, withFate, withLink, withoutFate, withSeed, withText } from "./script.js";
import { sliders, spelled } from "./sliders.js";
import { SourceError } from "./sources.js";
import { shortcuts } from "./keys.js";
import { between, fromTheStart, moments } from "./timeline.js";
import { happening, outcomes } from "./words.js";

const PATIENCE = 3000; // ms until it is said that an answer is long in coming
const NOT_SAID = 1; // moments are told from here on: what happens at 0 too

export class Bench {
  /** `still` opens the run at its end, as a notebook wants it. */
  constructor(source, { script = fresh(), still = false, keys = null } = {}) {
    this._source = source;
    this.script = script;
    this._player = new Player();
    this._asked = 0;
    this._still = still;
    this._build(keys);
    this._start(script);
  }

  _build(keys) {
    const say = unique("say");
    this._text = el("input", { id: say, type: "text", maxlength: 400, autocomplete: "off", value: "hi", required: true });
    this._seed = el("input", { id: unique("seed"), type: "number", min: 0, max: 2 ** 31 - 1, step: 1,
      onchange: () => this._reseed() });
    this._link = sliders((options) => this._moved(options));
    this._bar = playerBar({
      start: () => this._replay(),
      stepBack: () => this._stepped(this._player.stepBack()),
      toggle: () => this._toggle(),
      step: () => this._stepped(this._player.step()),
      goTo: (at) => this._goTo(at),
      pace: (slower) => (this._player.slower = slower),
      hurry: (hurries) => (this._player.hurries = hurries),
    });
    this._lanes = new LanesView({ pick: (over, packet) => this._choose(over, packet) });
    this._compare = new CompareView({ pick: (over, packet) => this._choose(over, packet), close: () => this._endCompare() });
    this._details = new Details({ decide: (deed) => this._decide(deed), close: () => this._closeDetails() });
    this._said = el("p", { class: "happening", role: "status", "aria-live": "polite" });
    this._error = el("p", { class: "error", role: "alert" });
    this._compareButton = button("Compare with before", () => this._toggleCompare(), { keys: "C", disabled: true });
    this._undoButton = button("Back to before", () => this._undo(), { keys: "Z", disabled: true });
    this._over = el("select", { id: unique("over") });
    const form = el("form", { class: "say", onsubmit: (event) => this._saidSomething(event) },
      el("label", { for: say }, "Ann says"), this._text,
      el("button", { type: "submit", class: "primary" }, "Send over all"));
    const dice = el("div", { class: "dice" },
      button("New run", () => this._anew()), el("label", { for: this._seed.id }, "Seed"), this._seed);
    const after = el("div", { class: "after" }, this._compareButton, this._undoButton,
      el("span", { class: "save" }, el("label", { for: this._over.id }, "Capture of"), this._over,
        button("Download", () => this._save(), { "aria-label": "Download the capture" })));
    this.node = el("div", { class: "netlab-bench" },
      el("div", { class: "controls" }, el("div", { class: "first" }, form, dice), this._link.node), this._bar.node, this._error, this._said,
      el("div", { class: "stage" }, el("div", { class: "show" }, this._lanes.node, this._compare.node, after), this._details.node));
    shortcuts(this.node, keys ?? this.node, {
      " ": () => this._toggle(), ".": () => this._stepped(this._player.step()), ",": () => this._stepped(this._player.stepBack()),
      r: () => this._replay(), c: () => this._toggleCompare(),
      z: () => this._undo(), "/": () => this._text.focus(),
      ...Object.fromEntries([...DEEDS, RESCUE].map((deed) => [deed.keys.toLowerCase(), () => this._deedByKey(deed)])),
    });
  }

  async _start(script) {
    if (!(await this._run(script, null))) return;
    if (this._still) this._goTo(this._player.end);
    else if (script.texts.length) this._play();
  }

  /** Runs a script and shows what came of it. `what` says what was changed; the run before is kept to compare with. */
  async _run(script, what, over = null) {
    this._asked += 1;
    const asked = this._asked;
    this.node.setAttribute("aria-busy", "true");
    let timeline;
    try {
      timeline = await this._answer(this._source.run(script));
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      if (asked === this._asked) this._fail(error.message);
      return false;
    } finally {
      if (asked === this._asked) this.node.removeAttribute("aria-busy");
    }
    if (asked !== this._asked) return false; // another change came meanwhile
    this._error.textContent = "";
    if (what && this.timeline?.script.texts.length) this._before = { timeline: this.timeline, script: this.script, what, over };
    this.script = script;
    this._load(timeline);
    return true;
  }

  /** Waits for an answer; says so where it is long in coming. */
  async _answer(asked) {
    const { silence } = this._source;
    const slow = setTimeout(() => this._fail(silence), PATIENCE);
    try {
      return await asked;
    } finally {
      clearTimeout(slow);
      if (this._error.textContent === silence) this._fail("");
    }
  }

  _load(run) {
    const wasAtItsEnd = this._player.cursor > 0 && this._player.cursor >= this._player.end;
    const timeline = { ...run, lanes: run.lanes.map(fromTheStart) };
    this.timeline = timeline;
    this._lanes.load(timeline.lanes.map((lane) => ({ lane })));
    this._moments = moments(timeline);
    this._player.load(this._moments, this._lanes.scale.pauses);
    if (wasAtItsEnd) this._player.goTo(this._player.end);
    const chosen = this._over.value;
    this._over.replaceChildren(...timeline.lanes.map(({ over, title }) =>
      el("option", { value: over, selected: over === chosen }, title)));
    this._compareButton.disabled = this._undoButton.disabled = !this._before;
    if (this._compare.isOpen) this._startCompare();
    this._show();
  }

  _show() {
    this._lanes.show(this._player.cursor);
    this._bar.show(this._player);
    this._link.show(linkAt(this.script, this._player.cursor));
    if (document.activeElement !== this._seed) this._seed.value = this.script.seed;
  }

  _fail(words) {
    this._error.textContent = words;
  }

  // ---- what is said, and the link

  async _saidSomething(event) {
    event.preventDefault();
    const text = this._text.value;
    if (!text) return;
    const at = this.script.texts.length ? this._player.cursor : 0;
    this._endCompare();
    const last = this._player.cursor;
    if (!(await this._run(withText(this.script, at, text), `Ann also says ${quoted(text, 24)}.`))) return;
    this._player.goTo(last);
    this._play();
    this._uncover();
  }

  /** The clock and the ladders below it come into view where the window is too low for everything. */
  _uncover() {
    const { bottom } = this._lanes.node.getBoundingClientRect();
    if (bottom > innerHeight) this._bar.node.scrollIntoView({ block: "start" });
  }

  async _moved(options) {
    const [[option, value]] = Object.entries(options);
    await this._run(withLink(this.script, this._player.cursor, options), `The link's ${option} became ${spelled(value)}.`);
  }

  async _reseed() {
    if (!this._seed.checkValidity()) return this._seed.reportValidity();
    return this._run(withSeed(this.script, this._seed.valueAsNumber), `The seed became ${this._seed.value}.`);
  }

  async _anew() {
    const { seed } = this.script;
    const link = linkAt(this.script, this._player.cursor);
    this._before = null;
    this._closeDetails();
    this._endCompare();
    this._player.pause();
    this._player.goTo(0);
    await this._run(fresh({ seed, link }), null);
    this._text.focus();
  }

  // ---- the cursor

  _toggle() {
    this._endCompare();
    if (this._player.playing) this._player.pause();
    else this._play();
    this._show();
  }

  _replay() {
    this._endCompare();
    this._player.goTo(0);
    this._play();
  }

  _goTo(at) {
    this._endCompare();
    this._player.pause();
    this._player.goTo(at);
    this._show();
    this._lanes.follow(false);
  }

  _stepped(moved) {
    this._endCompare();
    this._show();
    this._lanes.follow(false);
    const { cursor } = this._player;
    this._tell(moved ? this._moments.filter((one) => one.at === cursor) : []);
  }

  _play() {
    this._player.play();
    this._told = this._player.cursor === 0 ? -NOT_SAID : this._player.cursor;
    this._show();
    if (this._drawing) return;
    this._drawing = true;
    let last = performance.now();
    const frame = (time) => {
      this._player.advance(Math.max(0, time - last) * 1e6);
      last = time;
      this._show();
      this._lanes.follow(false);
      this._tell(between(this._moments, this._told, this._player.cursor));
      this._told = this._player.cursor;
      this._drawing = this._player.playing && this.node.isConnected;
      if (this._drawing) requestAnimationFrame(frame);
      else if (this._player.cursor >= this._player.end) this._summarise();
    };
    requestAnimationFrame(frame);
  }

  /** Says what happened: it is shown below the clock, and read aloud. */
  _tell(happened) {
    const titles = new Map(this.timeline.lanes.map((lane) => [lane.over, lane.title]));
    const words = happened.map((one) => happening(one, titles.get(one.over))).filter(Boolean);
    if (words.length) this._said.textContent = words.join(" ");
  }

  _summarise() {
    const said = this.timeline.lanes.flatMap((lane) => outcomes(lane).slice(-1).map((words) => `${lane.title}: ${words}`));
    if (said.length) this._said.textContent = said.join(" ");
  }

  // ---- one packet

  async _choose(over, packet) {
    this._player.pause();
    this._show();
    this._chosen = { over, id: packet.id };
    const lane = this.timeline.lanes.find((one) => one.over === over);
    this._details.open({ title: lane.title, packet, forced: fateOf(this.script, over, packet.id) });
    this._details.focus();
    const { id } = packet;
    try {
      const taken = await this._answer(this._source.packet(this.script, over, id));
      if (this._chosen?.id === id && this._chosen.over === over) this._details.showBytes(taken);
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      this._details.showError(error.message);
    }
  }

  _deedByKey(deed) {
    const node = document.activeElement?.closest?.("[data-packet]");
    if (node) this._chosen = { over: node.closest(".lane").dataset.over, id: node.dataset.packet };
    if (node || this._details.isOpen) this._decide(deed);
  }

  async _decide(deed) {
    const { over, id } = this._chosen;
    const title = this.timeline.lanes.find((lane) => lane.over === over).title;
    const script = deed ? withFate(this.script, { over, packet: id, ...deed.fate }) : withoutFate(this.script, over, id);
    const what = deed ? `${title}: one packet was ${deed.done}.` : `${title}: one packet goes as the dice say again.`;
    this._closeDetails();
    if (!(await this._run(script, what, over))) return;
    this._goTo(this._player.end);
    this._startCompare();
    this._compare.focus();
  }

  _closeDetails() {
    if (!this._details.isOpen) return;
    this._details.close();
    const index = this.timeline.lanes.findIndex((lane) => lane.over === this._chosen?.over);
    if (index >= 0 && !this._compare.isOpen) this._lanes.focus(index, this._chosen.id);
    this._chosen = null;
  }

  // ---- before and after

  _startCompare() {
    if (!this._before) return;
    this._closeDetails();
    const { timeline, what, over } = this._before;
    this._lanes.node.hidden = true;
    this._compare.open(timeline, this.timeline, what, over);
    this._said.textContent = [what, ...this._compare.sentences()].join(" ");
  }

  /** As somebody asks for it: with the focus. */
  _toggleCompare() {
    if (this._compare.isOpen) return this._endCompare();
    this._startCompare();
    if (this._compare.isOpen) this._compare.focus();
  }

  _endCompare() {
    const hadFocus = this._compare.node.contains(document.activeElement);
    this._compare.close();
    this._lanes.node.hidden = false;
    if (hadFocus) this._compareButton.focus({ preventScroll: true });
  }

  async _undo() {
    if (!this._before) return;
    const { script } = this._before;
    this._closeDetails();
    this._endCompare();
    this._before = null;
    await this._run(script, null);
    this._text.focus({ preventScroll: true });
  }

  async _save() {
    const over = this._over.value;
    try {
      download(await this._answer(this._source.capture(this.script, over)), `bench-${over}-seed-${this.script.seed}.pcapng`);
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      this._fail(error.message);
    }
  }
}
