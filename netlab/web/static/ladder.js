// One lane as a ladder: ann at the left, the hub with bob at the right, time down. A slanted arrow goes from where a
// packet was sent to where it came; a lost one ends in a cross with the word; what was sent again is dashed and says so; a
// second copy is dotted. Nothing is told by colour alone.

import { svg } from "./dom.js";
import { printable, quoted } from "./printable.js";
import { endOf, fateWord, isLost, usualDelay } from "./timeline.js";
import { label, packetWords } from "./words.js";

const EDGE = 26; // pixels from a lifeline to the edge of the lane
const HEAD = 9;
const LETTER = 15; // pixels: a label's height, and its distance from its arrow
const STEEP = 1.05; // radians: an arrow is nearly upright

/**
 * Draws a lane. `marks` says of each packet whether another run has it too (compare.js); `pick(packet)` is called for the
 * packet that is clicked, or chosen with Enter. `type` is how large type is, 1 as usual.
 */
export function ladder({ lane, scale, width, type = 1, marks = null, pick = () => {}, name = lane.title }) {
  const sides = { client: EDGE, server: width - EDGE };
  const delay = usualDelay(lane);
  const shown = []; // {node, from, update(cursor)}
  const node = svg("svg", {
    class: "ladder", width, height: scale.height, viewBox: `0 0 ${width} ${scale.height}`,
    role: "group", "aria-label": `Packets of ${name}. Arrow keys walk through them.`,
  });
  node.append(pauses(scale, width), ...Object.values(sides).map((x) => lifeline(x, scale.height)));
  for (const said of lane.said) {
    shown.push({ node: bubble(`ann: ${quoted(said.text, 22)}`, sides.client, scale.place(said), "start", type), from: said.at });
  }
  for (const heard of lane.heard) {
    shown.push({ node: bubble(`bob: ${quoted(heard.text, 22)}`, sides.server, scale.place(heard), "end", type), from: heard.at });
  }
  const packets = new Map();
  for (const packet of lane.packets) {
    const place = scale.place(packet);
    const met = lane.packets.some((other) =>
      other.destination === packet.source && other.came.some((_, copy) => Math.abs(scale.end(other, copy) - place) < 2 * LETTER * type));
    const drawn = arrow({ packet, scale, sides, delay, met, type, mark: marks?.get(packet.id) ?? "same" });
    drawn.node.addEventListener("click", () => pick(packet));
    packets.set(packet.id, drawn.node);
    shown.push(drawn);
  }
  const now = svg("line", { class: "now", x1: 0, x2: width });
  node.append(...shown.map((one) => one.node), now);

  return {
    node,
    packets,
    /** Shows what has happened by the cursor. */
    show(cursor) {
      const height = Math.min(scale.at(cursor), scale.height - 8);
      now.setAttribute("y1", height);
      now.setAttribute("y2", height);
      for (const one of shown) {
        const hidden = one.from > cursor;
        one.node.classList.toggle("later", hidden);
        if (!hidden) one.update?.(cursor);
      }
    },
  };
}

const lifeline = (x, height) => svg("line", { class: "lifeline", x1: x, x2: x, y1: 4, y2: height - 8 });

function pauses(scale, width) {
  const bands = scale.pauses.map(({ from, to }) => {
    const [top, bottom] = [scale.at(from), scale.at(to)];
    const middle = (top + bottom) / 2;
    return svg("path", { class: "pause", d: zigzag(width, middle) });
  });
  return svg("g", { "aria-hidden": "true" }, ...bands);
}

function zigzag(width, y) {
  const points = Array.from({ length: Math.ceil(width / 8) + 1 }, (_, i) => `${i * 8},${y + (i % 2 ? 3 : -3)}`);
  return `M${points.join(" L")}`;
}

function bubble(words, x, y, anchor, type) {
  const at = anchor === "start" ? x + 8 : x - 8;
  return svg("g", { class: "bubble" },
    svg("circle", { cx: x, cy: y, r: 5 * type }),
    svg("text", { x: at, y: y + 4 * type, "text-anchor": anchor }, words));
}

function arrow({ packet, scale, sides, delay, met, type, mark }) {
  const from = { x: sides[packet.source], y: scale.place(packet) };
  const far = sides[packet.destination];
  const lost = isLost(packet);
  const ends = endOf(packet, delay);
  const corrupted = fateWord(packet) === "corrupted";
  const kind = [
    "packet",
    packet.carries !== null && packet.source === "client" && "carries",
    packet.again && "again",
    lost && "lost",
    corrupted && "corrupted",
    mark !== "same" && `differs ${mark}`,
  ].filter(Boolean).join(" ");
  const onward = far > from.x ? 1 : -1;
  const words = markWords(mark) + packetWords(packet);
  const node = svg("g", { class: kind, tabindex: -1, role: "button", "aria-label": words, "data-packet": packet.id },
    svg("title", {}, words));

  const moves = (packet.came.length ? packet.came : [ends]).map((at, copy) => {
    const came = packet.came.length > 0;
    const to = { x: came ? far : from.x + (far - from.x) * 0.6, y: Math.max(came ? scale.end(packet, copy) : scale.at(at), from.y + 2) };
    return { at, to, copy, ...shaft(from, to, { copy, lost: !packet.came.length && fateWord(packet), corrupted, type }) };
  });
  const long = moves.length ? moves[0].to : from;
  node.append(
    svg("line", { class: "halo", x1: from.x, y1: from.y, x2: long.x, y2: long.y }),
    ...moves.map((move) => move.line),
    ...moves.map((move) => move.end),
    along(from, long, markSign(mark) + label(packet), { met, type, most: long.x === far ? 1 : 0.85 }),
  );
  return {
    node,
    from: packet.sent,
    update(cursor) {
      for (const { at, to, line, end } of moves) {
        const share = at <= packet.sent ? 1 : Math.min(1, (scale.at(cursor) - from.y) / (to.y - from.y));
        const part = cursor >= at ? 1 : Math.max(0, share);
        line.setAttribute("x2", from.x + (to.x - from.x) * part);
        line.setAttribute("y2", from.y + (to.y - from.y) * part);
        end.classList.toggle("later", cursor < at);
      }
    },
  };
}

/**
 * An arrow's label: along its arrow and above it, from near its tail on, so that it crosses neither the arrows beside it nor
 * (where it was `met` by one that ends there) that one. An arrow that is nearly upright has it level, at its tail.
 */
function along(from, to, words, { met, type, most }) {
  const onward = to.x > from.x ? 1 : -1;
  const anchor = onward > 0 ? "start" : "end";
  const length = Math.hypot(to.x - from.x, to.y - from.y);
  const angle = Math.atan2(to.y - from.y, Math.abs(to.x - from.x));
  if (angle > STEEP) {
    return svg("text", { class: "label", x: from.x + onward * 8, y: from.y - 3 * type, "text-anchor": anchor }, cut(words, Math.abs(to.x - from.x) / type));
  }
  const clear = (LETTER * type) / Math.sin(Math.max(2 * angle, 0.1)); // from here on it fits between two that mirror each other
  const start = met ? Math.min(Math.max(8, clear), length * 0.3) : 8;
  const place = { x: from.x + onward * start * Math.cos(angle), y: from.y + start * Math.sin(angle) };
  return svg("text", { class: "label", y: -3.5 * type, "text-anchor": anchor,
    transform: `translate(${place.x.toFixed(1)},${place.y.toFixed(1)}) rotate(${((onward * angle * 180) / Math.PI).toFixed(2)})` },
    cut(words, (length * most - start - HEAD) / type));
}

const markWords = (mark) =>
  mark === "only" ? "only in this run: " : mark === "other" ? "other than in the other run: " : "";
const markSign = (mark) => (mark === "only" ? "◆ " : mark === "other" ? "◇ " : "");

/** The line of an arrow and what it ends in: a head, or a cross with a word. */
function shaft(from, to, { copy, lost, corrupted, type }) {
  const line = svg("line", { class: copy ? "shaft copy" : "shaft", x1: from.x, y1: from.y, x2: to.x, y2: to.y });
  const end = svg("g", { class: "end" });
  if (lost) {
    if (lost !== "on its way") end.append(svg("path", { class: "cross", d: `M${to.x - 7},${to.y - 7} l14,14 m0,-14 l-14,14` }));
    end.append(fate(printable(lost), from, to, type));
    return { line, end };
  }
  const angle = Math.atan2(to.y - from.y, to.x - from.x);
  const corner = (turn) => `${to.x - HEAD * Math.cos(angle + turn)},${to.y - HEAD * Math.sin(angle + turn)}`;
  end.append(svg("polygon", { class: corrupted ? "head damaged" : "head",
    points: `${to.x},${to.y} ${corner(0.42)} ${corner(-0.42)}` }));
  const word = corrupted ? "damaged" : copy ? "copy" : "";
  if (word) {
    const inward = to.x > from.x ? -1 : 1;
    end.append(svg("text", { class: "fate", x: to.x + inward * 12, y: to.y + 14,
      "text-anchor": inward < 0 ? "end" : "start" }, word));
  }
  return { line, end };
}

/** The word of a loss: beyond its cross where there is room up to the other lifeline, below it otherwise. */
function fate(word, from, to, type) {
  const room = Math.abs(to.x - from.x) * (0.4 / 0.6);
  if (word.length * 7 * type > room) return svg("text", { class: "fate", x: to.x, y: to.y + 21 * type, "text-anchor": "middle" }, word);
  const onward = to.x > from.x ? 13 : -13;
  return svg("text", { class: "fate", x: to.x + onward, y: to.y + 5, "text-anchor": onward > 0 ? "start" : "end" }, word);
}

function cut(text, room) {
  const most = Math.max(6, Math.floor(room / 7.4));
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}
