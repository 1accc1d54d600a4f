// The bytes of one packet, layer by layer: each layer a block of rows in its colour and its hatch, with its names in both
// models, and its fields beside their bytes. A field and its bytes light up together; arrow keys walk through the fields.

import { el, svg, unique } from "./dom.js";
import { printable } from "./printable.js";

const CELL = { width: 23, height: 26 };
const MARGIN = 38;
const MOST_ROWS = 12; // of one layer; of a longer one the first are drawn

/** One hatch a layer, so that layers are told apart in grey too: path of a tile of 8 by 8. */
const HATCHES = {
  Link: "M0,8 L8,0",
  Internet: "M4,3 v2",
  Transport: "M0,0 L8,8",
  "netlab packet": "M0,4 h8",
  "chat event": "",
  Application: "M4,0 v8",
};

const hatchOf = (layer) => HATCHES[layer.protocol] ?? HATCHES[layer.tcp_ip] ?? "";

/** The rows of a layer's own bytes, its payload left to the layer above: [{start, end}], and how many bytes are hidden. */
export function layerRows(layer, across) {
  const end = layer.fields.length ? Math.max(...layer.fields.map((field) => field.end)) : layer.end;
  const rows = [];
  for (let start = layer.start; start < end; start += across) rows.push({ start, end: Math.min(start + across, end) });
  const shown = rows.slice(0, MOST_ROWS);
  return { rows: shown, hidden: rows.length > shown.length ? end - shown.at(-1).end : 0 };
}

/** Which bytes a field has, in words: `byte 22`, `bytes 26 to 29`, `bits 0 to 3 of byte 14`. */
export function placeWords({ start, end, bits }) {
  const bytes = end - start <= 1 ? `byte ${start}` : `bytes ${start} to ${end - 1}`;
  if (!bits) return bytes;
  const [first, length] = bits;
  return length === 1 ? `bit ${first} of ${bytes}` : `bits ${first} to ${first + length - 1} of ${bytes}`;
}

/** Draws a packet as `netlab layers --json` has it: `bytes` in hexadecimal, and `layers`. */
export function byteMap(packet, { across = 16 } = {}) {
  const bytes = Uint8Array.from(packet.bytes.match(/../g) ?? [], (pair) => parseInt(pair, 16));
  const fields = []; // {button, cells}
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
  fields.forEach(({ button, cells }, index) => {
    button.addEventListener("focus", () => light(index, false));
    for (const cell of cells) cell.addEventListener("pointerenter", () => light(index, false));
  });
  node.addEventListener("keydown", (event) => {
    const moves = { ArrowDown: current + 1, ArrowUp: current - 1, Home: 0, End: fields.length - 1 };
    const to = moves[event.key];
    if (to === undefined || !fields[to]) return;
    event.preventDefault();
    event.stopPropagation();
    light(to, true);
  });
  if (fields.length) fields[0].button.tabIndex = 0;
  return node;
}

function block(layer, bytes, across, fields) {
  const heading = unique("layer");
  const cells = new Map(); // byte -> its cell
  const drawing = grid(layer, bytes, across, cells);
  const list = layer.fields.map((field) => {
    const place = placeWords(field);
    const own = [];
    for (let at = field.start; at < field.end; at++) if (cells.has(at)) own.push(cells.get(at));
    const button = el("button", { type: "button", class: "field", tabindex: -1,
      "aria-label": `${field.name}: ${printable(field.shown)}; ${place}` },
      el("span", { class: "name" }, field.name),
      el("span", { class: "value" }, printable(field.shown)),
      el("span", { class: "place" }, place));
    fields.push({ button, cells: own });
    return el("li", {}, button);
  });
  const size = layer.header_len
    ? `${layer.header_len} B header, ${layer.payload_len} B payload`
    : `${layer.payload_len} B, all of it payload`;
  return el("section", { class: "layer", "data-tcp-ip": layer.tcp_ip, "data-protocol": layer.protocol,
    "aria-labelledby": heading },
    el("h4", { id: heading },
      el("span", { class: "protocol" }, layer.protocol.endsWith(layer.pdu) ? layer.protocol : `${layer.protocol} ${layer.pdu}`),
      el("span", { class: "models" }, `OSI ${layer.osi ?? "–"} · TCP/IP ${layer.tcp_ip ?? "–"}${layer.contested ? " *" : ""}`),
      el("span", { class: "size" }, size)),
    drawing,
    list.length ? el("ul", { class: "fields" }, ...list) : null,
    layer.contested ? el("p", { class: "note" }, `* contested: ${printable(layer.contested)}`) : null,
    ...(layer.notes ?? []).map((note) => el("p", { class: "note" }, printable(note))));
}

function grid(layer, bytes, across, cells) {
  const { rows, hidden } = layerRows(layer, across);
  const width = MARGIN + across * CELL.width + 2;
  const height = rows.length * CELL.height + 4 + (hidden ? 18 : 0);
  const pattern = unique("hatch");
  const node = svg("svg", { class: "bytes", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" },
    svg("defs", {}, svg("pattern", { id: pattern, width: 8, height: 8, patternUnits: "userSpaceOnUse" },
      svg("path", { class: "hatch", d: hatchOf(layer) }))));
  rows.forEach(({ start, end }, row) => {
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
  return svg("g", { class: "byte" },
    svg("rect", { class: "ground", ...box }),
    svg("rect", { ...box, fill: `url(#${pattern})` }),
    svg("text", { x: x + CELL.width / 2, y: y + 16, "text-anchor": "middle" }, bytes[at].toString(16).padStart(2, "0")),
    begins ? svg("line", { class: "begins", x1: x, x2: x, y1: y, y2: y + CELL.height - 3 }) : null);
}
