// Elements, made without a framework. Children that are texts become text nodes: nothing is ever parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(name.replace(/^on/, ""), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** An HTML element: `el("button", {type: "button", onclick: f}, "Play")`. */
export const el = (tag, attributes = {}, ...children) => filled(document.createElement(tag), attributes, children);

/** An SVG element. */
export const svg = (tag, attributes = {}, ...children) =>
  filled(document.createElementNS(SVG, tag), attributes, children);

/** A button that says what it does, and under `keys` the key that does it too. */
export function button(words, onclick, { keys = null, ...attributes } = {}) {
  const shown = keys ? [words, el("kbd", { "aria-hidden": "true" }, keys)] : [words];
  return el("button", { type: "button", onclick, "aria-keyshortcuts": keys, ...attributes }, ...shown);
}

let given = 0;
const OURS = Math.random().toString(36).slice(2, 8); // several widgets stand in one notebook

/** A name that no other element of the page has. */
export const unique = (word) => `netlab-${word}-${OURS}-${(given += 1)}`;

/** Hands a file to whoever looks at the page. */
export function download(bytes, name, type = "application/octet-stream") {
  const address = URL.createObjectURL(new Blob([bytes], { type }));
  el("a", { href: address, download: name }).click();
  URL.revokeObjectURL(address);
}
