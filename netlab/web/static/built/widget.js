// dom.js
var SVG = "http://www.w3.org/2000/svg";
function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === void 0 || value === false) continue;
    if (typeof value === "function") node.addEventListener(name.replace(/^on/, ""), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== void 0 && child !== false));
  return node;
}
var el = (tag, attributes = {}, ...children) => filled(document.createElement(tag), attributes, children);
var svg = (tag, attributes = {}, ...children) => filled(document.createElementNS(SVG, tag), attributes, children);
function button(words, onclick, { keys = null, ...attributes } = {}) {
  const shown = keys ? [words, el("kbd", { "aria-hidden": "true" }, keys)] : [words];
  return el("button", { type: "button", onclick, "aria-keyshortcuts": keys, ...attributes }, ...shown);
}
var given = 0;
var OURS = Math.random().toString(36).slice(2, 8);
var unique = (word) => `netlab-${word}-${OURS}-${given += 1}`;
function download(bytes, name, type = "application/octet-stream") {
  const address = URL.createObjectURL(new Blob([bytes], { type }));
  el("a", { href: address, download: name }).click();
  URL.revokeObjectURL(address);
}

// timeline.js
function usualDelay(lane) {
  if (lane.delay !== void 0) return lane.delay;
  const delays = lane.packets.flatMap((packet) => packet.came.map((at) => at - packet.sent)).sort((a, b) => a - b);
  return delays.length ? delays[Math.floor(delays.length / 2)] : 0;
}
var carriers = (lane, text) => lane.packets.filter((packet) => packet.source === "client" && packet.carries === text);
var isLost = (packet) => packet.came.length === 0 && packet.fate !== "on its way";
var goneAt = (packet, delay) => packet.sent + Math.round(delay * 0.6);
var endOf = (packet, delay) => packet.came.length ? Math.max(...packet.came) : goneAt(packet, delay);
var fromTheStart = (lane) => ({
  ...lane,
  delay: usualDelay(lane),
  packets: lane.packets.filter((packet) => packet.sent >= 0)
});
function fateWord(packet) {
  if (!packet.came.length) return packet.fate;
  if (packet.fate.startsWith("corrupt")) return "corrupted";
  return packet.came.length > 1 ? "doubled" : "came";
}
function moments(timeline) {
  const found = timeline.lanes.flatMap((lane) => {
    const delay = usualDelay(lane);
    const over = lane.over;
    return [
      ...lane.said.map(({ at, text }) => ({ at, over, kind: "said", text })),
      ...lane.packets.flatMap((packet) => [
        { at: packet.sent, over, kind: packet.again ? "again" : "sent", packet },
        ...isLost(packet) ? [{ at: goneAt(packet, delay), over, kind: "lost", packet }] : [],
        ...packet.came.map((at, copy) => ({ at, over, kind: copy ? "copy" : "came", packet }))
      ]),
      ...lane.heard.map(({ at, text }) => ({ at, over, kind: "heard", text })),
      ...lane.states.filter(({ at, why }) => at >= 0 && why).map((state) => ({ at: state.at, over, kind: "why", state }))
    ];
  });
  return found.sort((one, other) => one.at - other.at);
}
var stateOf = (lane, host, cursor) => lane.states.findLast((state) => state.host === host && state.at <= cursor) ?? null;
var following = (all, cursor) => all.find((one) => one.at > cursor)?.at ?? null;
var preceding = (all, cursor) => all.findLast((one) => one.at < cursor)?.at ?? null;
var between = (all, from, to) => all.filter((one) => one.at > from && one.at <= to);
var endOfRun = (all) => all.at(-1)?.at ?? 0;

// units.js
var MS = 1e6;
var S = 1e9;
var trimmed = (number, digits) => String(Number(number.toFixed(digits)));
function duration(ns) {
  if (ns < 0) return `-${duration(-ns)}`;
  if (ns >= S) return `${trimmed(ns / S, 2)} s`;
  if (ns >= MS || ns === 0) return `${trimmed(ns / MS, ns < 10 * MS ? 1 : 0)} ms`;
  return `${trimmed(ns / 1e3, 0)} µs`;
}
var moment = (ns) => `${(ns / S).toFixed(3)} s`;
var count = (number, one, many = `${one}s`) => `${number} ${number === 1 ? one : many}`;

// printable.js
var UNSAFE = /[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]|\udb40[\udc00-\udc7f]/g;
var SHORT = { "	": "\\t", "\n": "\\n", "\r": "\\r" };
function escaped(found) {
  if (SHORT[found]) return SHORT[found];
  const code = found.codePointAt(0);
  if (code > 65535) return `\\U${code.toString(16).padStart(8, "0")}`;
  return code > 255 ? `\\u${code.toString(16).padStart(4, "0")}` : `\\x${code.toString(16).padStart(2, "0")}`;
}
var printable = (text) => String(text).replace(UNSAFE, escaped);
function quoted(text, most = 40) {
  const letters = [...printable(text)];
  return letters.length > most ? `“${letters.slice(0, most - 1).join("")}…”` : `“${letters.join("")}”`;
}

// words.js
var HOSTS = { client: "ann", server: "the hub" };
var hostName = (host) => HOSTS[host] ?? host;
function hearings(lane) {
  const left = /* @__PURE__ */ new Map();
  for (const heard of lane.heard) left.set(heard.text, [...left.get(heard.text) ?? [], heard]);
  const sayings = /* @__PURE__ */ new Map();
  for (const said2 of lane.said) sayings.set(said2.text, (sayings.get(said2.text) ?? 0) + 1);
  return lane.said.map((said2, index) => {
    const heard = left.get(said2.text) ?? [];
    const place = lane.said.slice(0, index).filter((one) => one.text === said2.text).length;
    const isLast = place === sayings.get(said2.text) - 1;
    return { said: said2, heard: heard[place] ?? null, copies: isLast ? Math.max(0, heard.length - place - 1) : 0 };
  });
}
function transmissions(lane, said2) {
  const next = lane.said.find((other) => other.text === said2.text && other.at > said2.at);
  return carriers(lane, said2.text).filter((p) => p.sent >= said2.at && (!next || p.sent < next.at));
}
var times = (number) => ["never", "once", "twice"][number] ?? `${number} times`;
function outcomes(lane, cursor = Infinity) {
  return hearings(lane).filter(({ said: said2 }) => said2.at <= cursor).map((hearing) => outcome(lane, hearing, cursor));
}
function outcome(lane, { said: said2, heard, copies }, cursor) {
  const text = quoted(said2.text, 24);
  const every = transmissions(lane, said2).filter((packet) => packet.sent <= cursor);
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
    const waited = again[0].sent - (sent.find((packet) => !packet.again)?.sent ?? said2.at);
    const more = again.length > 1 ? `, and ${times(again.length)} in all` : "";
    story.push(`${story.length ? "it" : text} was sent again after ${duration(waited)}${more}`);
  }
  if (isHeard) {
    const what2 = story.length ? "it" : text;
    const twice = copies ? `, and ${count(copies, "copy", "copies")} of it: the link doubled a packet` : "";
    story.push(`bob heard ${what2} after ${duration(heard.at - said2.at)}${twice}`);
    if (needless.length) {
      const more = needless.length > 1 ? `, ${times(needless.length)} in all` : "";
      story.push(`ann did not learn of it in time, and sent it again after ${duration(needless[0].sent - said2.at)}${more}`);
    }
  } else if (heard === null && !again.length && (lost.length || damaged.length)) {
    story.push("nobody sends it again: bob never hears it");
  } else if (!story.length) {
    story.push(`${text} is on its way`);
  } else if (heard === null && cursor === Infinity) {
    story.push("bob had not heard it when the run ended");
  }
  if (said2.outcome && said2.outcome !== "ok" && said2.ended !== null && said2.ended <= cursor) {
    story.push(`ann is told: ${said2.outcome}`);
  }
  const sentence = story.join("; ");
  return `${sentence[0].toUpperCase()}${sentence.slice(1)}.`;
}
function standing(lane, cursor) {
  const said2 = hearings(lane).filter(({ said: said3 }) => said3.at <= cursor);
  if (!said2.length) return "nothing said yet";
  const heard = said2.filter((one) => one.heard !== null && one.heard.at <= cursor).length;
  if (heard === said2.length) return said2.length === 1 ? "heard" : `all ${heard} heard`;
  return said2.length === 1 ? "not heard" : `${heard} of ${said2.length} heard`;
}
function packetWords(packet) {
  const way = `${hostName(packet.source)} to ${hostName(packet.destination)}`;
  const again = packet.again ? "again: " : "";
  return `${way} at ${moment(packet.sent)}: ${again}${printable(packet.says)}; ${ending(packet)}`;
}
function ending(packet) {
  const fate2 = printable(fateWord(packet));
  if (!packet.came.length) return fate2;
  const delays = packet.came.map((at) => duration(at - packet.sent));
  if (fate2 === "doubled") return `came ${count(delays.length, "time")}, after ${delays.join(" and ")}`;
  if (fate2 === "corrupted") return `came damaged after ${delays[0]}`;
  const byHand = packet.by_hand ? " (by hand)" : "";
  return `came after ${delays[0]}${byHand}`;
}
function label(packet) {
  const again = packet.again ? "again: " : "";
  if (packet.carries !== null && packet.source === "client") return `${again}${quoted(packet.carries, 18)}`;
  return again + brief(printable(packet.says));
}
function brief(says) {
  const words = says.split(/\s+/).filter((word) => !/^([0-9a-f]{8}|\d{6,}\S*)$/.test(word));
  const said2 = words.join(" ");
  return said2.length > 30 ? `${said2.slice(0, 29)}…` : said2;
}
function happening({ kind, packet, text, state }, title) {
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
var what = (packet) => packet.carries !== null ? quoted(packet.carries, 24) : "a packet";
function stateWords(lane, cursor) {
  const state = stateOf(lane, "client", cursor);
  return state ? `${hostName("client")}: ${printable(state.words)}` : "";
}
function tally(lane, cursor = Infinity) {
  const sent = lane.packets.filter((packet) => packet.sent <= cursor);
  const bytes = sent.reduce((sum, packet) => sum + packet.bytes, 0);
  const lost = sent.filter(isLost).length;
  const again = sent.filter((packet) => packet.again).length;
  return `${count(sent.length, "packet")}, ${bytes.toLocaleString("en")} bytes; ${lost} lost; ${again} sent again`;
}

// compare.js
function difference(before, after) {
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
var differing = (packets, marks) => packets.filter((packet) => marks.get(packet.id) !== "same");
function marked(packets, others) {
  return new Map(packets.map((packet) => [packet.id, mark(packet, others.get(packet.id))]));
}
function mark(packet, other) {
  if (other === void 0) return "only";
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
var delayOf = ({ said: said2, heard }) => duration(heard.at - said2.at);
function amounts(before, after) {
  const parts = [
    compared(before.packets.length, after.packets.length, "packet", "sent"),
    compared(lostOf(before), lostOf(after), "packet", "lost"),
    compared(againOf(before), againOf(after), "packet", "sent again")
  ].filter(Boolean);
  return parts.length ? `${parts.join("; ")}.` : "";
}
function compared(old, now, noun, done) {
  if (old === now) return "";
  return `${count(Math.abs(now - old), noun)} ${now > old ? "more" : "fewer"} ${done} (${now} instead of ${old})`;
}
var lostOf = (lane) => lane.packets.filter(isLost).length;
var againOf = (lane) => lane.packets.filter((packet) => packet.again).length;

// ladder.js
var EDGE = 26;
var HEAD = 9;
var LETTER = 15;
var STEEP = 1.05;
function ladder({ lane, scale, width, type = 1, marks = null, pick = () => {
}, name = lane.title }) {
  const sides = { client: EDGE, server: width - EDGE };
  const delay = usualDelay(lane);
  const shown = [];
  const node = svg("svg", {
    class: "ladder",
    width,
    height: scale.height,
    viewBox: `0 0 ${width} ${scale.height}`,
    role: "group",
    "aria-label": `Packets of ${name}. Arrow keys walk through them.`
  });
  node.append(pauses(scale, width), ...Object.values(sides).map((x) => lifeline(x, scale.height)));
  for (const said2 of lane.said) {
    shown.push({ node: bubble(`ann: ${quoted(said2.text, 22)}`, sides.client, scale.place(said2), "start", type), from: said2.at });
  }
  for (const heard of lane.heard) {
    shown.push({ node: bubble(`bob: ${quoted(heard.text, 22)}`, sides.server, scale.place(heard), "end", type), from: heard.at });
  }
  const packets = /* @__PURE__ */ new Map();
  for (const packet of lane.packets) {
    const place = scale.place(packet);
    const met = lane.packets.some((other) => other.destination === packet.source && other.came.some((_, copy) => Math.abs(scale.end(other, copy) - place) < 2 * LETTER * type));
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
    }
  };
}
var lifeline = (x, height) => svg("line", { class: "lifeline", x1: x, x2: x, y1: 4, y2: height - 8 });
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
  return svg(
    "g",
    { class: "bubble" },
    svg("circle", { cx: x, cy: y, r: 5 * type }),
    svg("text", { x: at, y: y + 4 * type, "text-anchor": anchor }, words)
  );
}
function arrow({ packet, scale, sides, delay, met, type, mark: mark2 }) {
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
    mark2 !== "same" && `differs ${mark2}`
  ].filter(Boolean).join(" ");
  const onward = far > from.x ? 1 : -1;
  const words = markWords(mark2) + packetWords(packet);
  const node = svg(
    "g",
    { class: kind, tabindex: -1, role: "button", "aria-label": words, "data-packet": packet.id },
    svg("title", {}, words)
  );
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
    along(from, long, markSign(mark2) + label(packet), { met, type, most: long.x === far ? 1 : 0.85 })
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
    }
  };
}
function along(from, to, words, { met, type, most }) {
  const onward = to.x > from.x ? 1 : -1;
  const anchor = onward > 0 ? "start" : "end";
  const length = Math.hypot(to.x - from.x, to.y - from.y);
  const angle = Math.atan2(to.y - from.y, Math.abs(to.x - from.x));
  if (angle > STEEP) {
    return svg("text", { class: "label", x: from.x + onward * 8, y: from.y - 3 * type, "text-anchor": anchor }, cut(words, Math.abs(to.x - from.x) / type));
  }
  const clear = LETTER * type / Math.sin(Math.max(2 * angle, 0.1));
  const start = met ? Math.min(Math.max(8, clear), length * 0.3) : 8;
  const place = { x: from.x + onward * start * Math.cos(angle), y: from.y + start * Math.sin(angle) };
  return svg(
    "text",
    {
      class: "label",
      y: -3.5 * type,
      "text-anchor": anchor,
      transform: `translate(${place.x.toFixed(1)},${place.y.toFixed(1)}) rotate(${(onward * angle * 180 / Math.PI).toFixed(2)})`
    },
    cut(words, (length * most - start - HEAD) / type)
  );
}
var markWords = (mark2) => mark2 === "only" ? "only in this run: " : mark2 === "other" ? "other than in the other run: " : "";
var markSign = (mark2) => mark2 === "only" ? "◆ " : mark2 === "other" ? "◇ " : "";
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
  end.append(svg("polygon", {
    class: corrupted ? "head damaged" : "head",
    points: `${to.x},${to.y} ${corner(0.42)} ${corner(-0.42)}`
  }));
  const word = corrupted ? "damaged" : copy ? "copy" : "";
  if (word) {
    const inward = to.x > from.x ? -1 : 1;
    end.append(svg("text", {
      class: "fate",
      x: to.x + inward * 12,
      y: to.y + 14,
      "text-anchor": inward < 0 ? "end" : "start"
    }, word));
  }
  return { line, end };
}
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

// time_scale.js
var SIZES = { row: 19, bubble: 26, clear: 14, delay: 74, pause: 46, top: 26, below: 40 };
var sizesFor = (type) => Object.fromEntries(Object.entries(SIZES).map(([name, size2]) => [name, size2 * type]));
function rows(lane) {
  const found = [
    ...lane.said.map((said2) => ({ at: said2.at, order: 0, said: said2 })),
    ...lane.packets.flatMap((packet) => packet.came.map((at, copy) => ({ at, order: 1, packet, copy }))),
    ...lane.heard.map((heard) => ({ at: heard.at, order: 2, heard })),
    ...lane.packets.map((packet) => ({ at: packet.sent, order: 3, packet }))
  ];
  return found.sort((one, other) => one.at - other.at || one.order - other.order);
}
function timeScale(lanes, sizes = SIZES) {
  const all = lanes.map((lane) => ({ lane, rows: rows(lane), delay: usualDelay(lane) }));
  const delays = all.map(({ delay }) => delay).filter(Boolean);
  const usual = delays.length ? delays.reduce((sum, delay) => sum + delay, 0) / delays.length : 40 * MS;
  const perNs = sizes.delay / usual;
  const times3 = [...new Set(all.flatMap(({ lane, rows: rows2, delay }) => [
    ...rows2.map((row) => row.at),
    ...lane.packets.flatMap((packet) => [...packet.came, endOf(packet, delay)])
  ]))].sort((a, b) => a - b);
  if (times3[0] !== 0) times3.unshift(0);
  const heights = [];
  const pauses2 = [];
  const free = new Map(lanes.map((lane) => [lane, sizes.top]));
  const places = /* @__PURE__ */ new Map();
  const ends = /* @__PURE__ */ new Map();
  let floor = sizes.top;
  times3.forEach((time, i) => {
    let height = floor;
    if (i > 0) {
      const room = (time - times3[i - 1]) * perNs;
      height = floor + Math.min(room, sizes.pause);
      if (room > 2 * sizes.pause) pauses2.push({ from: times3[i - 1], to: time });
    }
    const here = all.map(({ lane, rows: rows2 }) => [lane, rows2.filter((row) => row.at === time)]);
    for (const [lane, found] of here) if (found.length) height = Math.max(height, free.get(lane));
    floor = height;
    for (const [lane, found] of here) {
      let down = height;
      found.forEach((row, nth) => {
        const before = found[nth - 1];
        if (before) down += row.heard && isEnd(before) ? sizes.clear : isEnd(before) && !isEnd(row) ? 0 : sizeOf(before, sizes);
        if (isEnd(row)) ends.set(row.packet, [...ends.get(row.packet) ?? [], down]);
        else places.set(row.packet ?? row.said ?? row.heard, down);
        floor = Math.max(floor, down);
      });
      if (found.length) down += sizeOf(found.at(-1), sizes);
      if (found.length) free.set(lane, down);
    }
    heights.push(height);
  });
  const last = times3.length - 1;
  const at = (time) => mapped(times3, heights, time, perNs);
  return {
    at,
    timeAt: (height) => Math.round(mapped(heights, times3, height, 0)),
    place: (thing) => places.get(thing),
    end: (packet, copy) => ends.get(packet)[copy],
    pauses: pauses2,
    times: times3,
    height: Math.max(heights[last], ...free.values()) + sizes.below
  };
}
var isEnd = (row) => row.copy !== void 0;
var sizeOf = (row, sizes) => row.packet ? sizes.row : sizes.bubble;
function mapped(from, to, value, slope) {
  const last = from.length - 1;
  if (value <= from[0]) return to[0];
  if (value >= from[last]) return to[last] + (value - from[last]) * slope;
  let low = 0;
  let high = last;
  while (high - low > 1) {
    const middle = low + high >> 1;
    if (from[middle] <= value) low = middle;
    else high = middle;
  }
  const span = from[high] - from[low];
  return span ? to[low] + (value - from[low]) / span * (to[high] - to[low]) : to[low];
}
function ticks(scale, gap = 30) {
  let last = -Infinity;
  return scale.times.filter((time) => {
    const height = scale.at(time);
    if (height - last < gap) return false;
    last = height;
    return true;
  });
}

// lanes_view.js
var GUTTER = 58;
var NARROWEST = 205;
var USUAL_TYPE = 16;
var LanesView = class {
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
    const focused = document.activeElement?.dataset?.packet && this.node.contains(document.activeElement) ? [document.activeElement.closest(".lane").dataset.lane, document.activeElement.dataset.packet] : null;
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
    const node = el(
      "section",
      { class: "lane", "data-lane": index, "data-over": lane.over, "aria-label": name },
      el(
        "header",
        {},
        el("h3", {}, name),
        sentence,
        counters,
        state,
        el("p", { class: "hosts", "aria-hidden": "true" }, el("span", {}, "ann"), el("span", {}, "hub, bob"))
      ),
      drawn.node
    );
    const view = { lane, node, drawn, sentence, counters, state };
    return view;
  }
  show(cursor) {
    this.cursor = cursor;
    for (const { lane, drawn, sentence, counters, state } of this._views) {
      drawn.show(cursor);
      const said2 = outcomes(lane, cursor);
      sentence.textContent = said2.slice(-2).join(" ") || lane.broken || "Nothing said yet.";
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
    if (inLane !== void 0) {
      if (shown[inLane]) this._rove(view, shown[inLane].id);
    } else if (beside !== void 0) {
      const other = this._views[beside];
      const nearest = other && near(other.lane.packets.filter((p) => p.sent <= this.cursor), shown[place].sent);
      if (nearest) this._rove(other, nearest.id);
    } else if (event.key === "Enter" || event.key === " ") {
      this._pick(view.lane.over, shown[place], index);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }
};
var near = (packets, at) => packets.reduce((best, packet) => !best || Math.abs(packet.sent - at) < Math.abs(best.sent - at) ? packet : best, null);
function axis(scale, type) {
  const width = GUTTER * type;
  const node = svg("svg", { class: "axis", width, height: scale.height, "aria-hidden": "true" });
  let last = null;
  for (const time of ticks(scale, 30 * type)) {
    if (moment(time) === last) continue;
    last = moment(time);
    const y = scale.at(time);
    node.append(
      svg("text", { x: width - 10, y: y + 4 * type, "text-anchor": "end" }, last),
      svg("line", { x1: width - 6, x2: width, y1: y, y2: y })
    );
  }
  return el("div", { class: "gutter", "aria-hidden": "true" }, el("div", { class: "corner" }), node);
}

// compare_view.js
var CompareView = class {
  constructor({ pick, close }) {
    this._sentences = el("div", { class: "differences", role: "radiogroup", "aria-label": "Lane to compare" });
    this._lanes = new LanesView({ pick: (over, packet, index) => index === 1 && pick(over, packet) });
    this._what = el("p", { class: "what" });
    this.node = el(
      "section",
      { class: "compare", "aria-label": "Before and after", hidden: true },
      el("header", {}, el("h2", {}, "Before and after"), button("Back to all lanes", close, { keys: "C" })),
      this._what,
      this._sentences,
      el(
        "p",
        { class: "note" },
        "◇ the same packet with another fate or time; ◆ only in this run. Unmarked packets are the same in both."
      ),
      this._lanes.node
    );
  }
  /** Two runs, and what was done between them. The lane that was changed by hand is shown first. */
  open(before, after, what2, over) {
    this.node.hidden = false;
    this._what.textContent = what2;
    this._found = difference(before, after);
    const wanted = this._found.lanes.find((lane) => lane.over === over && !lane.same);
    this._show((wanted ?? this._found.lanes.find((lane) => !lane.same) ?? this._found.lanes[0]).over);
  }
  _show(over) {
    const found = this._found.lanes.find((lane) => lane.over === over);
    this._sentences.replaceChildren(...this._found.lanes.map((lane) => this._choice(lane, lane.over === over)));
    this._lanes.load([
      { lane: found.before, name: `${found.title} before`, marks: found.marks.before },
      { lane: found.after, name: `${found.title} now`, marks: found.marks.after }
    ]);
    this._lanes.show(Infinity);
  }
  /** What differs in the lanes that differ, to be read aloud. */
  sentences() {
    const changed = this._found.lanes.filter((lane) => !lane.same);
    if (!changed.length) return ["Nothing differs: both runs are the same, packet for packet."];
    return changed.map((lane) => `${lane.title}: ${lane.sentences.join(" ")}`);
  }
  _choice({ over, title, sentences, same }, chosen) {
    return el(
      "button",
      {
        type: "button",
        role: "radio",
        class: same ? "same" : "changed",
        "data-over": over,
        "aria-checked": String(chosen),
        tabindex: chosen ? 0 : -1,
        onclick: () => this._choose(over),
        onkeydown: (event) => this._walk(event, over)
      },
      el("strong", {}, title),
      " ",
      sentences.join(" ")
    );
  }
  _choose(over) {
    this._show(over);
    this.focus();
  }
  /** To the lane that is shown. */
  focus() {
    this._sentences.querySelector("[aria-checked=true]").focus({ preventScroll: true });
  }
  _walk(event, over) {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const all = this._found.lanes;
    const place = all.findIndex((lane) => lane.over === over) + step;
    this._choose(all[(place + all.length) % all.length].over);
  }
  close() {
    this.node.hidden = true;
  }
  get isOpen() {
    return !this.node.hidden;
  }
};

// byte_map.js
var CELL = { width: 23, height: 26 };
var MARGIN = 38;
var MOST_ROWS = 12;
var HATCHES = {
  Link: "M0,8 L8,0",
  Internet: "M4,3 v2",
  Transport: "M0,0 L8,8",
  "netlab packet": "M0,4 h8",
  "chat event": "",
  Application: "M4,0 v8"
};
var hatchOf = (layer) => HATCHES[layer.protocol] ?? HATCHES[layer.tcp_ip] ?? "";
function layerRows(layer, across) {
  const end = layer.fields.length ? Math.max(...layer.fields.map((field) => field.end)) : layer.end;
  const rows2 = [];
  for (let start = layer.start; start < end; start += across) rows2.push({ start, end: Math.min(start + across, end) });
  const shown = rows2.slice(0, MOST_ROWS);
  return { rows: shown, hidden: rows2.length > shown.length ? end - shown.at(-1).end : 0 };
}
function placeWords({ start, end, bits }) {
  const bytes = end - start <= 1 ? `byte ${start}` : `bytes ${start} to ${end - 1}`;
  if (!bits) return bytes;
  const [first, length] = bits;
  return length === 1 ? `bit ${first} of ${bytes}` : `bits ${first} to ${first + length - 1} of ${bytes}`;
}
function byteMap(packet, { across = 16 } = {}) {
  const bytes = Uint8Array.from(packet.bytes.match(/../g) ?? [], (pair) => parseInt(pair, 16));
  const fields = [];
  const node = el("div", { class: "byte-map" }, ...packet.layers.map((layer) => block(layer, bytes, across, fields)));
  let current = 0;
  function light(index, focus) {
    fields[current].button.tabIndex = -1;
    for (const cell of fields[current].cells) cell.classList.remove("lit");
    current = index;
    fields[current].button.tabIndex = 0;
    for (const cell of fields[current].cells) cell.classList.add("lit");
    if (focus) fields[current].button.focus();
  }
  fields.forEach(({ button: button2, cells }, index) => {
    button2.addEventListener("focus", () => light(index, false));
    for (const cell of cells) cell.addEventListener("pointerenter", () => light(index, false));
  });
  node.addEventListener("keydown", (event) => {
    const moves = { ArrowDown: current + 1, ArrowUp: current - 1, Home: 0, End: fields.length - 1 };
    const to = moves[event.key];
    if (to === void 0 || !fields[to]) return;
    event.preventDefault();
    event.stopPropagation();
    light(to, true);
  });
  if (fields.length) fields[0].button.tabIndex = 0;
  return node;
}
function block(layer, bytes, across, fields) {
  const heading = unique("layer");
  const cells = /* @__PURE__ */ new Map();
  const drawing = grid(layer, bytes, across, cells);
  const list = layer.fields.map((field) => {
    const place = placeWords(field);
    const own = [];
    for (let at = field.start; at < field.end; at++) if (cells.has(at)) own.push(cells.get(at));
    const button2 = el(
      "button",
      {
        type: "button",
        class: "field",
        tabindex: -1,
        "aria-label": `${field.name}: ${printable(field.shown)}; ${place}`
      },
      el("span", { class: "name" }, field.name),
      el("span", { class: "value" }, printable(field.shown)),
      el("span", { class: "place" }, place)
    );
    fields.push({ button: button2, cells: own });
    return el("li", {}, button2);
  });
  const size2 = layer.header_len ? `${layer.header_len} B header, ${layer.payload_len} B payload` : `${layer.payload_len} B, all of it payload`;
  return el(
    "section",
    {
      class: "layer",
      "data-tcp-ip": layer.tcp_ip,
      "data-protocol": layer.protocol,
      "aria-labelledby": heading
    },
    el(
      "h4",
      { id: heading },
      el("span", { class: "protocol" }, layer.protocol.endsWith(layer.pdu) ? layer.protocol : `${layer.protocol} ${layer.pdu}`),
      el("span", { class: "models" }, `OSI ${layer.osi ?? "–"} · TCP/IP ${layer.tcp_ip ?? "–"}${layer.contested ? " *" : ""}`),
      el("span", { class: "size" }, size2)
    ),
    drawing,
    list.length ? el("ul", { class: "fields" }, ...list) : null,
    layer.contested ? el("p", { class: "note" }, `* contested: ${printable(layer.contested)}`) : null,
    ...(layer.notes ?? []).map((note) => el("p", { class: "note" }, printable(note)))
  );
}
function grid(layer, bytes, across, cells) {
  const { rows: rows2, hidden } = layerRows(layer, across);
  const width = MARGIN + across * CELL.width + 2;
  const height = rows2.length * CELL.height + 4 + (hidden ? 18 : 0);
  const pattern = unique("hatch");
  const node = svg(
    "svg",
    { class: "bytes", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" },
    svg("defs", {}, svg(
      "pattern",
      { id: pattern, width: 8, height: 8, patternUnits: "userSpaceOnUse" },
      svg("path", { class: "hatch", d: hatchOf(layer) })
    ))
  );
  rows2.forEach(({ start, end }, row) => {
    const y = row * CELL.height + 2;
    node.append(svg("text", { class: "offset", x: MARGIN - 6, y: y + 17, "text-anchor": "end" }, start.toString(16).padStart(4, "0")));
    for (let at = start; at < end; at++) {
      const cell = byteCell(layer, bytes, at, MARGIN + (at - start) * CELL.width, y, pattern);
      cells.set(at, cell);
      node.append(cell);
    }
  });
  if (hidden) node.append(svg("text", { class: "offset", x: MARGIN, y: height - 4 }, `… ${hidden} bytes more`));
  return node;
}
function byteCell(layer, bytes, at, x, y, pattern) {
  const box = { x, y, width: CELL.width, height: CELL.height - 3 };
  const begins = layer.fields.some((field) => field.start === at);
  return svg(
    "g",
    { class: "byte" },
    svg("rect", { class: "ground", ...box }),
    svg("rect", { ...box, fill: `url(#${pattern})` }),
    svg("text", { x: x + CELL.width / 2, y: y + 16, "text-anchor": "middle" }, bytes[at].toString(16).padStart(2, "0")),
    begins ? svg("line", { class: "begins", x1: x, x2: x, y1: y, y2: y + CELL.height - 3 }) : null
  );
}

// details.js
var DEEDS = [
  { words: "Drop this packet", keys: "D", fate: { do: "drop" }, done: "dropped by hand" },
  { words: "Delay it by 50 ms", keys: "L", fate: { do: "delay", by: "50ms" }, done: "delayed by hand" },
  { words: "Corrupt it", keys: "O", fate: { do: "corrupt" }, done: "corrupted by hand" },
  { words: "Double it", keys: "U", fate: { do: "duplicate" }, done: "doubled by hand" }
];
var RESCUE = { words: "Let it through", keys: "T", fate: { do: "deliver" }, done: "let through by hand" };
var Details = class {
  constructor({ decide, close }) {
    this._decide = decide;
    this._heading = el("h3", { tabindex: -1 });
    this._body = el("div", { class: "body" });
    this.node = el(
      "section",
      {
        class: "details",
        "aria-label": "The chosen packet",
        hidden: true,
        onkeydown: (event) => {
          if (event.key !== "Escape") return;
          event.stopPropagation();
          close();
        }
      },
      el("header", {}, this._heading, button("Close", close, { keys: "Esc" })),
      this._body
    );
  }
  get isOpen() {
    return !this.node.hidden;
  }
  open({ title, packet, forced }) {
    this.node.hidden = false;
    this._heading.textContent = `${title}: ${hostName(packet.source)} → ${hostName(packet.destination)}`;
    const deeds = forced ? [button("Let it go as the dice say", () => this._decide(null), { class: "primary" })] : [...packet.came.length ? [] : [RESCUE], ...DEEDS].map((deed, i) => button(deed.words, () => this._decide(deed), { keys: deed.keys, class: i ? "" : "primary" }));
    this._bytes = el("div", { class: "map", "aria-busy": "true" }, el("p", {}, "Taking it apart…"));
    this._body.replaceChildren(
      el("p", { class: "says" }, printable(packet.says)),
      el("p", {}, `Sent at ${moment(packet.sent)}, ${count(packet.bytes, "byte")}; ${ending(packet)}${packet.again ? "; it carries what was sent before" : ""}.`),
      el("div", { class: "deeds", role: "group", "aria-label": "Its fate by hand" }, ...deeds),
      this._bytes
    );
  }
  /** The bytes came. */
  showBytes(taken) {
    this._bytes.removeAttribute("aria-busy");
    const across = this.node.clientWidth && this.node.clientWidth < 390 ? 8 : 16;
    this._bytes.replaceChildren(byteMap(taken, { across }));
  }
  showError(words) {
    this._bytes.removeAttribute("aria-busy");
    this._bytes.replaceChildren(el("p", { class: "error" }, words));
  }
  focus() {
    this._heading.focus();
  }
  close() {
    this.node.hidden = true;
  }
};

// player.js
var PACES = [1, 2, 5, 10, 20, 50, 100];
var LONGEST_PAUSE = 7e8;
var Player = class {
  constructor() {
    this.cursor = 0;
    this.playing = false;
    this.slower = 10;
    this.hurries = true;
    this._moments = [];
    this._pauses = [];
  }
  /** A timeline's moments, and its pauses as [{from, to}]. The cursor stays where it is. */
  load(moments2, pauses2 = []) {
    this._moments = moments2;
    this._pauses = pauses2;
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
};

// player_bar.js
var paceWords = (slower) => slower === 1 ? "real time" : `1/${slower}`;
function playerBar(does) {
  const toggle = button("Play", does.toggle, { keys: "Space", class: "primary toggle" });
  const scrub = unique("time");
  const range = el("input", {
    type: "range",
    id: scrub,
    min: 0,
    max: 1e3,
    step: 1,
    oninput: () => does.goTo(range.valueAsNumber / 1e3 * end)
  });
  const clock = el("output", { for: scrub, class: "clock" });
  const paceId = unique("pace");
  const pace = el(
    "select",
    { id: paceId, onchange: () => does.pace(Number(pace.value)) },
    ...PACES.map((slower) => el("option", { value: slower, selected: slower === 10 }, paceWords(slower)))
  );
  const hurry = el("input", { type: "checkbox", checked: true, onchange: () => does.hurry(hurry.checked) });
  let end = 0;
  const node = el(
    "div",
    { class: "player", role: "group", "aria-label": "The clock of the run" },
    button("Replay", does.start, { keys: "R" }),
    button("Step back", does.stepBack, { keys: "," }),
    toggle,
    button("Step", does.step, { keys: "." }),
    el("label", { class: "visually-hidden", for: scrub }, "Moment of the run"),
    range,
    clock,
    el("span", { class: "pace" }, el("label", { for: paceId }, "Pace"), pace),
    el("label", { class: "check" }, hurry, "hurry through pauses")
  );
  return {
    node,
    show(player) {
      end = player.end;
      toggle.firstChild.textContent = player.playing ? "Pause" : "Play";
      range.value = end ? Math.min(1e3, player.cursor / end * 1e3) : 0;
      clock.textContent = `${moment(player.cursor)} of ${moment(end)}`;
      range.setAttribute("aria-valuetext", moment(player.cursor));
    }
  };
}

// script.js
var LINK = { loss: "0%", delay: "40ms", jitter: "0ms", duplicate: "0%", reorder: "0%", rate: "1mbit" };
var AFTERWARDS = 10 * S;
function fresh({ seed = 1, link = {}, texts = [], fates = [], changes = [] } = {}) {
  return settled({ seed, link: { ...LINK, ...link }, changes, texts, fates });
}
function settled(script) {
  const last = Math.max(0, ...script.texts.map((text) => text.at), ...script.changes.map((change) => change.at));
  return { ...script, until: last + AFTERWARDS };
}
var byTime = (one, other) => one.at - other.at;
function withText(script, at, text) {
  return settled({ ...script, texts: [...script.texts, { at, text }].sort(byTime) });
}
function withLink(script, at, options) {
  if (!script.texts.some((text) => text.at < at)) {
    return settled({ ...script, link: { ...script.link, ...options }, changes: [] });
  }
  const earlier = script.changes.filter((change) => change.at < at);
  return settled({ ...script, changes: [...earlier, { at, link: { ...linkAt(script, at), ...options } }] });
}
function linkAt(script, at) {
  return script.changes.filter((change) => change.at <= at).reduce((_, change) => change.link, script.link);
}
function withFate(script, fate2) {
  return { ...script, fates: [...without(script, fate2), fate2] };
}
function withoutFate(script, over, packet) {
  return { ...script, fates: without(script, { over, packet }) };
}
var without = (script, { over, packet }) => script.fates.filter((fate2) => fate2.over !== over || fate2.packet !== packet);
var fateOf = (script, over, packet) => script.fates.find((fate2) => fate2.over === over && fate2.packet === packet);
var withSeed = (script, seed) => ({ ...script, seed });

// sliders.js
var percents = [0, 1, 2, 5, 10, 15, 20, 25, 30, 40, 50, 60].map((percent) => `${percent}%`);
var times2 = (...all) => all.map((ms) => ms >= 1e3 ? `${ms / 1e3}s` : `${ms}ms`);
var DIALS = [
  { option: "loss", name: "Loss", values: percents },
  { option: "delay", name: "Delay", values: times2(1, 5, 10, 20, 40, 80, 150, 300, 600) },
  { option: "jitter", name: "Jitter", values: times2(0, 1, 2, 5, 10, 20, 50, 100, 200) },
  { option: "duplicate", name: "Duplication", values: percents },
  { option: "reorder", name: "Reordering", values: percents },
  { option: "rate", name: "Rate", values: ["16kbit", "64kbit", "256kbit", "1mbit", "10mbit", "100mbit"] }
];
function placeOf(values, value) {
  const exact = values.indexOf(value);
  if (exact >= 0) return exact;
  const place = values.findIndex((other) => size(other) > size(value));
  return place < 0 ? values.length : place;
}
var SCALES = { "%": 1, ns: 1e-6, us: 1e-3, ms: 1, s: 1e3, bit: 1e-3, kbit: 1, mbit: 1e3, gbit: 1e6 };
function size(value) {
  const [, number, unit] = /^([\d.]+)\s*([a-z%]*)$/i.exec(value) ?? [null, "0", "%"];
  return Number(number) * (SCALES[unit.toLowerCase()] ?? 1);
}
var spelled = (value) => value.replace(/^([\d.]+)(?=[a-z%])/i, "$1 ").replace("mbit", "Mbit/s").replace("kbit", "kbit/s");
function sliders(changed) {
  const dials = DIALS.map((dial) => slider(dial, changed));
  const node = el("fieldset", { class: "sliders" }, el("legend", {}, "The link"), ...dials.map((dial) => dial.node));
  return {
    node,
    show(link) {
      for (const dial of dials) dial.show(link[dial.option]);
    }
  };
}
function slider({ option, name, values }, changed) {
  const id = unique("dial");
  let own = values;
  const output = el("output", { for: id });
  const input = el("input", {
    type: "range",
    id,
    min: 0,
    step: 1,
    oninput: () => say(),
    onchange: () => changed({ [option]: own[input.valueAsNumber] })
  });
  function say() {
    const value = spelled(own[input.valueAsNumber]);
    output.textContent = value;
    input.setAttribute("aria-valuetext", value);
  }
  return {
    option,
    node: el("div", { class: "dial" }, el("label", { for: id }, name), input, output),
    show(value) {
      const place = placeOf(values, value);
      own = values.includes(value) ? values : [...values.slice(0, place), value, ...values.slice(place)];
      input.max = own.length - 1;
      input.value = place;
      say();
    }
  };
}

// sources.js
var SourceError = class extends Error {
};
var WidgetSource = class {
  silence = "the kernel has not answered yet: another cell is at work, or it was restarted (then run this cell again)";
  constructor(model) {
    this._model = model;
    this._asked = /* @__PURE__ */ new Map();
    this._last = 0;
    model.on("msg:custom", (message) => this._answered(message));
  }
  async run(script) {
    return (await this._ask({ ask: "run", script })).timeline;
  }
  async packet(script, over, packet) {
    return (await this._ask({ ask: "packet", script, over, packet })).packet;
  }
  async capture(script, over) {
    const { capture } = await this._ask({ ask: "capture", script, over });
    return Uint8Array.from(atob(capture), (letter) => letter.charCodeAt(0)).buffer;
  }
  _ask(question) {
    this._last += 1;
    const n = this._last;
    return new Promise((resolve, reject) => {
      this._asked.set(n, { resolve, reject });
      this._model.send({ ...question, n });
    });
  }
  _answered({ n, error, ...answer }) {
    const asked = this._asked.get(n);
    this._asked.delete(n);
    if (error) asked?.reject(new SourceError(error));
    else asked?.resolve(answer);
  }
};

// keys.js
var TYPING = "input:not([type=checkbox], [type=range]), select, textarea, [contenteditable]";
var PRESSED = "button, a, summary, input, [role=button], [role=radio]";
var enabled = true;
function shortcuts(node, scope, deeds) {
  scope.addEventListener("keydown", (event) => {
    if (!enabled || event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
    const deed = deeds[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!deed || !node.isConnected || event.target.closest?.(TYPING)) return;
    if (event.key === " " && event.target.closest?.(PRESSED)) return;
    event.preventDefault();
    deed();
  });
}

// bench.js
var PATIENCE = 3e3;
var NOT_SAID = 1;
var Bench = class {
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
    this._seed = el("input", {
      id: unique("seed"),
      type: "number",
      min: 0,
      max: 2 ** 31 - 1,
      step: 1,
      onchange: () => this._reseed()
    });
    this._link = sliders((options) => this._moved(options));
    this._bar = playerBar({
      start: () => this._replay(),
      stepBack: () => this._stepped(this._player.stepBack()),
      toggle: () => this._toggle(),
      step: () => this._stepped(this._player.step()),
      goTo: (at) => this._goTo(at),
      pace: (slower) => this._player.slower = slower,
      hurry: (hurries) => this._player.hurries = hurries
    });
    this._lanes = new LanesView({ pick: (over, packet) => this._choose(over, packet) });
    this._compare = new CompareView({ pick: (over, packet) => this._choose(over, packet), close: () => this._endCompare() });
    this._details = new Details({ decide: (deed) => this._decide(deed), close: () => this._closeDetails() });
    this._said = el("p", { class: "happening", role: "status", "aria-live": "polite" });
    this._error = el("p", { class: "error", role: "alert" });
    this._compareButton = button("Compare with before", () => this._toggleCompare(), { keys: "C", disabled: true });
    this._undoButton = button("Back to before", () => this._undo(), { keys: "Z", disabled: true });
    this._over = el("select", { id: unique("over") });
    const form = el(
      "form",
      { class: "say", onsubmit: (event) => this._saidSomething(event) },
      el("label", { for: say }, "Ann says"),
      this._text,
      el("button", { type: "submit", class: "primary" }, "Send over all")
    );
    const dice = el(
      "div",
      { class: "dice" },
      button("New run", () => this._anew()),
      el("label", { for: this._seed.id }, "Seed"),
      this._seed
    );
    const after = el(
      "div",
      { class: "after" },
      this._compareButton,
      this._undoButton,
      el(
        "span",
        { class: "save" },
        el("label", { for: this._over.id }, "Capture of"),
        this._over,
        button("Download", () => this._save(), { "aria-label": "Download the capture" })
      )
    );
    this.node = el(
      "div",
      { class: "netlab-bench" },
      el("div", { class: "controls" }, el("div", { class: "first" }, form, dice), this._link.node),
      this._bar.node,
      this._error,
      this._said,
      el("div", { class: "stage" }, el("div", { class: "show" }, this._lanes.node, this._compare.node, after), this._details.node)
    );
    shortcuts(this.node, keys ?? this.node, {
      " ": () => this._toggle(),
      ".": () => this._stepped(this._player.step()),
      ",": () => this._stepped(this._player.stepBack()),
      r: () => this._replay(),
      c: () => this._toggleCompare(),
      z: () => this._undo(),
      "/": () => this._text.focus(),
      ...Object.fromEntries([...DEEDS, RESCUE].map((deed) => [deed.keys.toLowerCase(), () => this._deedByKey(deed)]))
    });
  }
  async _start(script) {
    if (!await this._run(script, null)) return;
    if (this._still) this._goTo(this._player.end);
    else if (script.texts.length) this._play();
  }
  /** Runs a script and shows what came of it. `what` says what was changed; the run before is kept to compare with. */
  async _run(script, what2, over = null) {
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
    if (asked !== this._asked) return false;
    this._error.textContent = "";
    if (what2 && this.timeline?.script.texts.length) this._before = { timeline: this.timeline, script: this.script, what: what2, over };
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
    this._over.replaceChildren(...timeline.lanes.map(({ over, title }) => el("option", { value: over, selected: over === chosen }, title)));
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
    if (!await this._run(withText(this.script, at, text), `Ann also says ${quoted(text, 24)}.`)) return;
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
    const said2 = this.timeline.lanes.flatMap((lane) => outcomes(lane).slice(-1).map((words) => `${lane.title}: ${words}`));
    if (said2.length) this._said.textContent = said2.join(" ");
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
    const what2 = deed ? `${title}: one packet was ${deed.done}.` : `${title}: one packet goes as the dice say again.`;
    this._closeDetails();
    if (!await this._run(script, what2, over)) return;
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
    const { timeline, what: what2, over } = this._before;
    this._lanes.node.hidden = true;
    this._compare.open(timeline, this.timeline, what2, over);
    this._said.textContent = [what2, ...this._compare.sentences()].join(" ");
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
};

// widget.js
function render({ model, el: place }) {
  const bench = new Bench(new WidgetSource(model), { script: fresh(model.get("script")), still: true });
  bench.node.classList.add("netlab-colours", "in-notebook");
  place.append(bench.node);
}
var widget_default = { render };
export {
  widget_default as default
};
