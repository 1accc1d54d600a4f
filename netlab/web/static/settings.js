// How the page looks and listens: light, dark or as the system says; big type for a projector; single keys on or off.

import { el, unique } from "./dom.js";
import { allowShortcuts } from "./keys.js";

const KEYS = [
  ["/", "write a text"], ["Space", "play or pause"], [".", "step"], [",", "step back"], ["R", "replay"],
  ["↑ ↓ ← →", "walk through packets"], ["Enter", "look into the packet"], ["D", "drop it"], ["T", "let it through"], ["L", "delay it"],
  ["O", "corrupt it"], ["U", "double it"], ["C", "compare with before"], ["Z", "back to before"], ["Esc", "close"],
];

/** The row of settings at the top of a page; with the bench's keys where it has a bench. */
export function settings({ keys = true } = {}) {
  const root = document.documentElement;
  const theme = unique("theme");
  const choice = el("select", { id: theme, onchange: () => {
    root.dataset.theme = choice.value;
    kept("theme", choice.value);
  } }, ...["system", "light", "dark"].map((name) => el("option", { value: name }, name)));
  choice.value = root.dataset.theme = kept("theme") ?? "system";

  const big = el("input", { type: "checkbox", onchange: () => {
    root.toggleAttribute("data-big", big.checked);
    kept("big", String(big.checked));
  } });
  big.checked = kept("big") === "true";
  root.toggleAttribute("data-big", big.checked);

  const single = el("input", { type: "checkbox", checked: true, onchange: () => allowShortcuts(single.checked) });
  return el("div", { class: "settings" },
    el("label", { for: theme }, "Colours"), choice,
    el("label", { class: "check" }, big, "big type"),
    keys && el("details", { class: "keys" }, el("summary", {}, "Keys"),
      el("div", {},
        el("dl", {}, ...KEYS.flatMap(([key, words]) => [el("dt", {}, el("kbd", {}, key)), el("dd", {}, words)])),
        el("label", { class: "check" }, single, "single keys work"))));
}

/** What this browser remembers of a setting; with a value, it remembers that. A browser may refuse. */
function kept(name, value) {
  try {
    if (value !== undefined) localStorage.setItem(`netlab-${name}`, value);
    return localStorage.getItem(`netlab-${name}`);
  } catch {
    return null;
  }
}
