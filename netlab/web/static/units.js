// Times are whole nanoseconds of virtual time, as everywhere in netlab; people read them with a unit.

export const MS = 1_000_000;
export const S = 1_000_000_000;

const trimmed = (number, digits) => String(Number(number.toFixed(digits)));

/** A duration as people write it: `40 ms`, `1.24 s`, `850 µs`. */
export function duration(ns) {
  if (ns < 0) return `-${duration(-ns)}`;
  if (ns >= S) return `${trimmed(ns / S, 2)} s`;
  if (ns >= MS || ns === 0) return `${trimmed(ns / MS, ns < 10 * MS ? 1 : 0)} ms`;
  return `${trimmed(ns / 1000, 0)} µs`;
}

/** A moment on the clock of the run, always in seconds: `0.240 s`. */
export const moment = (ns) => `${(ns / S).toFixed(3)} s`;

/** `1 packet`, `3 packets`. */
export const count = (number, one, many = `${one}s`) => `${number} ${number === 1 ? one : many}`;
