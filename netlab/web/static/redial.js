// When to connect again after a cut: soon, then ever less often, as long as the hub keeps a session. Clients in terminals
// do the same.

const FIRST = 250; // ms
const MOST = 5_000;
const KEPT = 120_000;

export class Redial {
  constructor() {
    this.connected();
  }

  /** There is a session again. */
  connected() {
    this._pause = FIRST;
    this._cutAt = null;
  }

  /** The pause before the next attempt, ms; null where it is too late. `now` is in ms. */
  next(now) {
    this._cutAt ??= now;
    if (now - this._cutAt >= KEPT) return null;
    const pause = this._pause;
    this._pause = Math.min(2 * pause, MOST);
    return pause;
  }
}
