// The buttons that move the cursor, and the line that shows where it is.

import { button, el, unique } from "./dom.js";
import { PACES } from "./player.js";
import { moment } from "./units.js";

const paceWords = (slower) => (slower === 1 ? "real time" : `1/${slower}`);

/** `does` has start, stepBack, toggle, step, goTo(ns), pace(slower), hurry(bool). */
export function playerBar(does) {
  const toggle = button("Play", does.toggle, { keys: "Space", class: "primary toggle" });
  const scrub = unique("time");
  const range = el("input", { type: "range", id: scrub, min: 0, max: 1000, step: 1,
    oninput: () => does.goTo((range.valueAsNumber / 1000) * end) });
  const clock = el("output", { for: scrub, class: "clock" });
  const paceId = unique("pace");
  const pace = el("select", { id: paceId, onchange: () => does.pace(Number(pace.value)) },
    ...PACES.map((slower) => el("option", { value: slower, selected: slower === 10 }, paceWords(slower))));
  const hurry = el("input", { type: "checkbox", checked: true, onchange: () => does.hurry(hurry.checked) });
  let end = 0;
  const node = el("div", { class: "player", role: "group", "aria-label": "The clock of the run" },
    button("Replay", does.start, { keys: "R" }),
    button("Step back", does.stepBack, { keys: "," }),
    toggle,
    button("Step", does.step, { keys: "." }),
    el("label", { class: "visually-hidden", for: scrub }, "Moment of the run"), range, clock,
    el("span", { class: "pace" }, el("label", { for: paceId }, "Pace"), pace),
    el("label", { class: "check" }, hurry, "hurry through pauses"));
  return {
    node,
    show(player) {
      end = player.end;
      toggle.firstChild.textContent = player.playing ? "Pause" : "Play";
      range.value = end ? Math.min(1000, (player.cursor / end) * 1000) : 0;
      clock.textContent = `${moment(player.cursor)} of ${moment(end)}`;
      range.setAttribute("aria-valuetext", moment(player.cursor));
    },
  };
}
