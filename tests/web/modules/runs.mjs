// Small runs, written by hand, in the shape that the bench gives.

export const MS = 1_000_000;

export function packet(number, sent, came, more = {}) {
  return {
    id: `client>server:${number}`, source: "client", destination: "server", sent, came, gone: came.length ? null : sent,
    fate: came.length ? "delivered" : "lost", by_hand: "", says: "data emit 'hi'", carries: "hi", again: false, bytes: 152,
    ...more,
  };
}

export function lane(over, packets, { said = [], heard = [] } = {}) {
  return {
    over, title: over.toUpperCase(), packets, states: [], broken: "", began: -500 * MS,
    said: said.map(([at, text]) => ({ at, text, outcome: null, ended: null })),
    heard: heard.map(([at, text]) => ({ at, text })),
  };
}

export const run = (...lanes) => ({ seed: 1, until: 1e10, script: {}, lanes });
