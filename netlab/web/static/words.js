// What a run shows, in words: for who does not see the ladders, and for who sees them and wonders.

import { carriers, fateWord, isLost, stateOf } from "./timeline.js";
import { count, duration, moment } from "./units.js";
import { printable, quoted } from "./printable.js";

const HOSTS = { client: "ann", server: "the hub" };

/** A host as people call it. */
export const hostName = (host) => HOSTS[host] ?? host;

/** The k-th saying of a text belongs to its k-th hearing; hearings beyond the sayings are copies. */
export function hearings(lane) {
  const left = new Map();
  for (const heard of lane.heard) left.set(heard.text, [...(left.get(heard.text) ?? []), heard]);
  const sayings = new Map();
  for (const said of lane.said) sayings.set(said.text, (sayings.get(said.text) ?? 0) + 1);
  return lane.said.map((said, index) => {
    const heard = left.get(said.text) ?? [];
    const place = lane.said.slice(0, index).filter((one) => one.text === said.text).length;
    const isLast = place === sayings.get(said.text) - 1;
    return { said, heard: heard[place] ?? null, copies: isLast ? Math.max(0, heard.length - place - 1) : 0 };
  });
}

/** The packets that carried this saying: those sent from then on, until the same text is said again. */
function transmissions(lane, said) {
  const next = lane.said.find((other) => other.text === said.text && other.at > said.at);
  return carriers(lane, said.text).filter((p) => p.sent >= said.at && (!next || p.sent < next.at));
}

/** `once`, `twice`, `3 times`. */
const times = (number) => ["never", "once", "twice"][number] ?? `${number} times`;

/** What has become of each text by the cursor: one sentence a text. */
export function outcomes(lane, cursor = Infinity) {
  return hearings(lane)
    .filter(({ said }) => said.at <= cursor)
    .map((hearing) => outcome(lane, hearing, cursor));
}

function outcome(lane, { said, heard, copies }, cursor) {
  const text = quoted(said.text, 24);
  const every = transmissions(lane, said).filter((packet) => packet.sent <= cursor);
  const sent = every.filter((packet) => heard === null || packet.sent < heard.at);
  const needless = every.filter((packet) => packet.again && !sent.includes(packet));
  const lost = sent.filter(isLost);
  const damaged = sent.filter((packet) => fateWord(packet) === "corrupted");
  const again = sent.filter((packet) => packet.again);
  const isHeard = heard !== null && heard.at <= cursor;
  const story = [];
  if (lost.length) story.push(`${text} was lost${lost.length > 1 ? ` ${times(lost.length)}` : ""}`);
  if (damaged.length) story.push(`${story.length ? "it" : text} came damaged, and was thrown away`);
  if (again.length) {
    const waited = again[0].sent - (sent.find((packet) => !packet.again)?.sent ?? said.at);
    const more = again.length > 1 ? `, and ${times(again.length)} in all` : "";
    story.push(`${story.length ? "it" : text} was sent again after ${duration(waited)}${more}`);
  }
  if (isHeard) {
    const what = story.length ? "it" : text;
    const twice = copies ? `, and ${count(copies, "copy", "copies")} of it: the link doubled a packet` : "";
    story.push(`bob heard ${what} after ${duration(heard.at - said.at)}${twice}`);
    if (needless.length) {
      const more = needless.length > 1 ? `, ${times(needless.length)} in all` : "";
      story.push(`ann did not learn of it in time, and sent it again after ${duration(needless[0].sent - said.at)}${more}`);
    }
  } else if (heard === null && !again.length && (lost.length || damaged.length)) {
    story.push("nobody sends it again: bob never hears it");
  } else if (!story.length) {
    story.push(`${text} is on its way`);
  } else if (heard === null && cursor === Infinity) {
    story.push("bob had not heard it when the run ended");
  }
  if (said.outcome && said.outcome !== "ok" && said.ended !== null && said.ended <= cursor) {
    story.push(`ann is told: ${said.outcome}`);
  }
  const sentence = story.join("; ");
  return `${sentence[0].toUpperCase()}${sentence.slice(1)}.`;
}

/** How a text stands by the cursor, in a word or two, for where a sentence does not fit. */
export function standing(lane, cursor) {
  const said = hearings(lane).filter(({ said }) => said.at <= cursor);
  if (!said.length) return "nothing said yet";
  const heard = said.filter((one) => one.heard !== null && one.heard.at <= cursor).length;
  if (heard === said.length) return said.length === 1 ? "heard" : `all ${heard} heard`;
  return said.length === 1 ? "not heard" : `${heard} of ${said.length} heard`;
}

/** One packet, in a sentence: its accessible name. */
export function packetWords(packet) {
  const way = `${hostName(packet.source)} to ${hostName(packet.destination)}`;
  const again = packet.again ? "again: " : "";
  return `${way} at ${moment(packet.sent)}: ${again}${printable(packet.says)}; ${ending(packet)}`;
}

/** How a packet ends: `came after 40 ms`. */
export function ending(packet) {
  const fate = printable(fateWord(packet));
  if (!packet.came.length) return fate;
  const delays = packet.came.map((at) => duration(at - packet.sent));
  if (fate === "doubled") return `came ${count(delays.length, "time")}, after ${delays.join(" and ")}`;
  if (fate === "corrupted") return `came damaged after ${delays[0]}`;
  const byHand = packet.by_hand ? " (by hand)" : "";
  return `came after ${delays[0]}${byHand}`;
}

/** What a packet is called on its arrow. */
export function label(packet) {
  const again = packet.again ? "again: " : "";
  if (packet.carries !== null && packet.source === "client") return `${again}${quoted(packet.carries, 18)}`;
  return again + brief(printable(packet.says));
}

/** The words of a packet's line that fit on an arrow: without numbers that only programs compare. */
function brief(says) {
  const words = says.split(/\s+/).filter((word) => !/^([0-9a-f]{8}|\d{6,}\S*)$/.test(word));
  const said = words.join(" ");
  return said.length > 30 ? `${said.slice(0, 29)}…` : said;
}

/** What happens at one moment, for the line that is read aloud; "" for what is not worth a word. */
export function happening({ kind, packet, text, state }, title) {
  switch (kind) {
    case "said":
      return `${title}: ann says ${quoted(text, 24)}.`;
    case "heard":
      return `${title}: bob hears ${quoted(text, 24)}.`;
    case "lost":
      return `${title}: ${what(packet)} from ${hostName(packet.source)} is ${printable(fateWord(packet))}.`;
    case "again":
      return `${title}: ${hostName(packet.source)} sends ${what(packet)} again.`;
    case "why":
      return `${title}: ${hostName(state.host)} says why: ${printable(state.why)}.`;
    case "copy":
      return `${title}: a second copy of ${what(packet)} comes.`;
    case "came":
      return fateWord(packet) === "corrupted" ? `${title}: ${what(packet)} comes damaged.` : "";
    default:
      return "";
  }
}

const what = (packet) => (packet.carries !== null ? quoted(packet.carries, 24) : "a packet");

/** How ann's end stands by the cursor: `ann: ESTABLISHED, rto 281.1ms, cwnd 14480 B`; "" where it keeps no such books. */
export function stateWords(lane, cursor) {
  const state = stateOf(lane, "client", cursor);
  return state ? `${hostName("client")}: ${printable(state.words)}` : "";
}

/** The counters of a lane by the cursor: `9 packets, 1,234 bytes; 1 lost; 1 sent again`. */
export function tally(lane, cursor = Infinity) {
  const sent = lane.packets.filter((packet) => packet.sent <= cursor);
  const bytes = sent.reduce((sum, packet) => sum + packet.bytes, 0);
  const lost = sent.filter(isLost).length;
  const again = sent.filter((packet) => packet.again).length;
  return `${count(sent.length, "packet")}, ${bytes.toLocaleString("en")} bytes; ${lost} lost; ${again} sent again`;
}
