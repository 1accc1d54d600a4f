// The script is the experiment: seed, link, what was said when, links moved when, fates forced by hand. The same script
// gives the same run byte for byte, so everything that a student does is a change of the script. Nothing here changes a
// script in place: each function gives a new one.

import { S } from "./units.js";

export const LINK = { loss: "0%", delay: "40ms", jitter: "0ms", duplicate: "0%", reorder: "0%", rate: "1mbit" };

/** How long a run goes on after the last thing that was said or changed. */
export const AFTERWARDS = 10 * S;

/** A run in which nothing is said yet. */
export function fresh({ seed = 1, link = {}, texts = [], fates = [], changes = [] } = {}) {
  return settled({ seed, link: { ...LINK, ...link }, changes, texts, fates });
}

function settled(script) {
  const last = Math.max(0, ...script.texts.map((text) => text.at), ...script.changes.map((change) => change.at));
  return { ...script, until: last + AFTERWARDS };
}

const byTime = (one, other) => one.at - other.at;

/** Ann says something at this moment. */
export function withText(script, at, text) {
  return settled({ ...script, texts: [...script.texts, { at, text }].sort(byTime) });
}

/** The link from this moment on. Where nothing was said before, it is the link that the run begins with. */
export function withLink(script, at, options) {
  if (!script.texts.some((text) => text.at < at)) {
    return settled({ ...script, link: { ...script.link, ...options }, changes: [] });
  }
  const earlier = script.changes.filter((change) => change.at < at);
  return settled({ ...script, changes: [...earlier, { at, link: { ...linkAt(script, at), ...options } }] });
}

/** The link as it is at this moment. */
export function linkAt(script, at) {
  return script.changes.filter((change) => change.at <= at).reduce((_, change) => change.link, script.link);
}

/** One packet's fate, decided by hand. */
export function withFate(script, fate) {
  return { ...script, fates: [...without(script, fate), fate] };
}

/** The packet goes as the dice say again. */
export function withoutFate(script, over, packet) {
  return { ...script, fates: without(script, { over, packet }) };
}

const without = (script, { over, packet }) =>
  script.fates.filter((fate) => fate.over !== over || fate.packet !== packet);

/** The fate forced upon a packet, or undefined. */
export const fateOf = (script, over, packet) =>
  script.fates.find((fate) => fate.over === over && fate.packet === packet);

/** Other dice for the same experiment. */
export const withSeed = (script, seed) => ({ ...script, seed });
