// The link's dials: each a range of values that a network really has, spelled as everywhere in netlab.

import { el, unique } from "./dom.js";

const percents = [0, 1, 2, 5, 10, 15, 20, 25, 30, 40, 50, 60].map((percent) => `${percent}%`);
const times = (...all) => all.map((ms) => (ms >= 1000 ? `${ms / 1000}s` : `${ms}ms`));

/** Each dial: the link's option, what it is called, its values. */
export const DIALS = [
  { option: "loss", name: "Loss", values: percents },
  { option: "delay", name: "Delay", values: times(1, 5, 10, 20, 40, 80, 150, 300, 600) },
  { option: "jitter", name: "Jitter", values: times(0, 1, 2, 5, 10, 20, 50, 100, 200) },
  { option: "duplicate", name: "Duplication", values: percents },
  { option: "reorder", name: "Reordering", values: percents },
  { option: "rate", name: "Rate", values: ["16kbit", "64kbit", "256kbit", "1mbit", "10mbit", "100mbit"] },
];

/** Where a value stands among a dial's; a value that is none of them is put where it belongs. */
export function placeOf(values, value) {
  const exact = values.indexOf(value);
  if (exact >= 0) return exact;
  const place = values.findIndex((other) => size(other) > size(value));
  return place < 0 ? values.length : place;
}

const SCALES = { "%": 1, ns: 1e-6, us: 1e-3, ms: 1, s: 1000, bit: 1e-3, kbit: 1, mbit: 1000, gbit: 1e6 };

function size(value) {
  const [, number, unit] = /^([\d.]+)\s*([a-z%]*)$/i.exec(value) ?? [null, "0", "%"];
  return Number(number) * (SCALES[unit.toLowerCase()] ?? 1);
}

/** `40ms` with a space: what people read. */
export const spelled = (value) => value.replace(/^([\d.]+)(?=[a-z%])/i, "$1 ").replace("mbit", "Mbit/s").replace("kbit", "kbit/s");

/** The dials as a group; `changed({option: value})` is called when one is let go. */
export function sliders(changed) {
  const dials = DIALS.map((dial) => slider(dial, changed));
  const node = el("fieldset", { class: "sliders" }, el("legend", {}, "The link"), ...dials.map((dial) => dial.node));
  return {
    node,
    show(link) {
      for (const dial of dials) dial.show(link[dial.option]);
    },
  };
}

function slider({ option, name, values }, changed) {
  const id = unique("dial");
  let own = values;
  const output = el("output", { for: id });
  const input = el("input", { type: "range", id, min: 0, step: 1,
    oninput: () => say(),
    onchange: () => changed({ [option]: own[input.valueAsNumber] }) });
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
    },
  };
}
