// Text from the network is never trusted on a screen. It is only ever put into text nodes, so that `<script>` is eight
// characters; and what would hide or reorder other characters is written as its escape, as netlab/packets/text.py does.

const UNSAFE =
  /[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]|\udb40[\udc00-\udc7f]/g;

const SHORT = { "\t": "\\t", "\n": "\\n", "\r": "\\r" };

function escaped(found) {
  if (SHORT[found]) return SHORT[found];
  const code = found.codePointAt(0);
  if (code > 0xffff) return `\\U${code.toString(16).padStart(8, "0")}`;
  return code > 0xff ? `\\u${code.toString(16).padStart(4, "0")}` : `\\x${code.toString(16).padStart(2, "0")}`;
}

/** `text` with every character that would hide or reorder others written as its escape. */
export const printable = (text) => String(text).replace(UNSAFE, escaped);

/** A text in quotation marks, cut where it is long. */
export function quoted(text, most = 40) {
  const letters = [...printable(text)];
  return letters.length > most ? `“${letters.slice(0, most - 1).join("")}…”` : `“${letters.join("")}”`;
}
