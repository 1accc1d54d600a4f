// Two runs of nearly the same script: which packets differ, and what that did, in sentences.

import { hearings } from "./words.js";
import { isLost } from "./timeline.js";
import { count, duration, moment } from "./units.js";
import { quoted } from "./printable.js";

/** What a packet's place in the other run is: `same`, `other` (another fate or time), `only` (not in the other run). */
export function difference(before, after) {
  const lanes = after.lanes.map((lane) => {
    const old = before.lanes.find((other) => other.over === lane.over) ?? { ...lane, packets: [], said: [], heard: [] };
    return laneDifference(old, lane);
  });
  return { lanes, same: lanes.every((lane) => lane.same) };
}

function laneDifference(before, after) {
  const olds = new Map(before.packets.map((packet) => [packet.id, packet]));
  const news = new Map(after.packets.map((packet) => [packet.id, packet]));
  const marks = { before: marked(before.packets, news), after: marked(after.packets, olds) };
  const others = [...differing(before.packets, marks.before), ...differing(after.packets, marks.after)];
  const first = others.length ? Math.min(...others.map((packet) => packet.sent)) : null;
  const same = first === null && JSON.stringify(before.heard) === JSON.stringify(after.heard);
  return { over: after.over, title: after.title, before, after, marks, first, same, sentences: said(before, after, first) };
}

const differing = (packets, marks) => packets.filter((packet) => marks.get(packet.id) !== "same");

function marked(packets, others) {
  return new Map(packets.map((packet) => [packet.id, mark(packet, others.get(packet.id))]));
}

function mark(packet, other) {
  if (other === undefined) return "only";
  const alike = other.sent === packet.sent && other.fate === packet.fate && other.says === packet.says;
  return alike && String(other.came) === String(packet.came) ? "same" : "other";
}

function said(before, after, first) {
  if (first === null) return ["The same in both runs, packet for packet."];
  const sentences = [first > 0 ? `Up to ${moment(first)} both runs are the same.` : "They differ from the first packet on."];
  const olds = hearings(before);
  hearings(after).forEach((now, index) => {
    const old = olds[index];
    if (old?.said.text !== now.said.text) return;
    const change = heardChange(quoted(now.said.text, 24), old, now);
    if (change) sentences.push(change);
  });
  const more = amounts(before, after);
  if (more) sentences.push(more);
  return sentences;
}

function heardChange(text, old, now) {
  if (old.heard && !now.heard) return `Bob never hears ${text}; before, he heard it after ${delayOf(old)}.`;
  if (!old.heard && now.heard) return `Bob hears ${text} after ${delayOf(now)}; before, he never did.`;
  if (!old.heard) return `Bob hears ${text} in neither run.`;
  const later = now.heard.at - now.said.at - (old.heard.at - old.said.at);
  if (later === 0) return `Bob hears ${text} at the same moment.`;
  const way = later > 0 ? "later" : "sooner";
  return `Bob hears ${text} ${duration(Math.abs(later))} ${way}: after ${delayOf(now)} instead of ${delayOf(old)}.`;
}

const delayOf = ({ said, heard }) => duration(heard.at - said.at);

function amounts(before, after) {
  const parts = [
    compared(before.packets.length, after.packets.length, "packet", "sent"),
    compared(lostOf(before), lostOf(after), "packet", "lost"),
    compared(againOf(before), againOf(after), "packet", "sent again"),
  ].filter(Boolean);
  return parts.length ? `${parts.join("; ")}.` : "";
}

function compared(old, now, noun, done) {
  if (old === now) return "";
  return `${count(Math.abs(now - old), noun)} ${now > old ? "more" : "fewer"} ${done} (${now} instead of ${old})`;
}

const lostOf = (lane) => lane.packets.filter(isLost).length;
const againOf = (lane) => lane.packets.filter((packet) => packet.again).length;
