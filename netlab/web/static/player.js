// The cursor, and how it moves: play, pause, step, step back, from the start. It knows nothing of clocks: whoever draws
// tells it how much real time has gone by.

import { endOfRun, following, preceding } from "./timeline.js";

/** How much slower than real time: 1 is real time. */
export const PACES = [1, 2, 5, 10, 20, 50, 100];

/** The longest that a pause in which nothing happens is played, in real nanoseconds. */
export const LONGEST_PAUSE = 700_000_000;

export class Player {
  constructor() {
    this.cursor = 0;
    this.playing = false;
    this.slower = 10;
    this.hurries = true; // through pauses in which nothing is under way
    this._moments = [];
    this._pauses = [];
  }

  /** A timeline's moments, and its pauses as [{from, to}]. The cursor stays where it is. */
  load(moments, pauses = []) {
    this._moments = moments;
    this._pauses = pauses;
  }

  get end() {
    return endOfRun(this._moments);
  }

  play() {
    if (this.cursor >= this.end) this.cursor = 0;
    this.playing = true;
  }

  pause() {
    this.playing = false;
  }

  goTo(at) {
    this.cursor = Math.max(0, Math.round(at));
  }

  /** To the next moment at which something happens. Returns whether there was one. */
  step() {
    return this._jump(following(this._moments, this.cursor));
  }

  /** To the moment before. */
  stepBack() {
    return this._jump(preceding(this._moments, this.cursor));
  }

  _jump(at) {
    this.playing = false;
    if (at === null) return false;
    this.cursor = at;
    return true;
  }

  /** Real time went by: move on, and stop at the end. */
  advance(elapsed) {
    if (!this.playing) return;
    let left = elapsed;
    while (left > 0 && this.cursor < this.end) {
      const inside = this._pauses.find(({ from, to }) => from <= this.cursor && this.cursor < to);
      const ahead = this._pauses.find(({ from }) => from > this.cursor);
      const edge = Math.min(inside?.to ?? ahead?.from ?? this.end, this.end);
      const speed = this._speed(inside);
      const needed = (edge - this.cursor) / speed;
      if (needed > left) {
        this.cursor = Math.round(this.cursor + left * speed);
        return;
      }
      this.cursor = edge;
      left -= needed;
    }
    if (this.cursor >= this.end) this.playing = false;
  }

  /** Virtual nanoseconds per real one. */
  _speed(pause) {
    const usual = 1 / this.slower;
    return pause && this.hurries ? Math.max(usual, (pause.to - pause.from) / LONGEST_PAUSE) : usual;
  }
}
