// Where a moment stands on the ladders. All lanes share one scale, so that the same height is the same moment. Time runs
// down; what happens closely together is spread, so that each label has a line of its own, and long pauses are cut.

import { MS } from "./units.js";
import { endOf, usualDelay } from "./timeline.js";

/** Pixels: of a packet's label, of what is said or heard, between an arrow's end and what is heard, of the usual delay, of a pause that was cut, and above the first moment. */
export const SIZES = { row: 19, bubble: 26, clear: 14, delay: 74, pause: 46, top: 26, below: 40 };

/** The same for larger type. */
export const sizesFor = (type) => Object.fromEntries(Object.entries(SIZES).map(([name, size]) => [name, size * type]));

/** What needs a line of its own in a lane, in the order in which it happens: said, come, heard, sent. */
export function rows(lane) {
  const found = [
    ...lane.said.map((said) => ({ at: said.at, order: 0, said })),
    ...lane.packets.flatMap((packet) => packet.came.map((at, copy) => ({ at, order: 1, packet, copy }))),
    ...lane.heard.map((heard) => ({ at: heard.at, order: 2, heard })),
    ...lane.packets.map((packet) => ({ at: packet.sent, order: 3, packet })),
  ];
  return found.sort((one, other) => one.at - other.at || one.order - other.order);
}

/**
 * The scale of some lanes: `at(ns)` is the height in pixels, `timeAt(height)` the moment there, `pauses` are cut.
 * Rows of one lane at one moment stand below each other: `place(thing)` tells where something is said, heard or sent, and
 * `end(packet, copy)` where it comes. So two packets that go together stay apart on all of their way.
 */
export function timeScale(lanes, sizes = SIZES) {
  const all = lanes.map((lane) => ({ lane, rows: rows(lane), delay: usualDelay(lane) }));
  const delays = all.map(({ delay }) => delay).filter(Boolean);
  const usual = delays.length ? delays.reduce((sum, delay) => sum + delay, 0) / delays.length : 40 * MS;
  const perNs = sizes.delay / usual;
  const times = [...new Set(all.flatMap(({ lane, rows, delay }) => [
    ...rows.map((row) => row.at),
    ...lane.packets.flatMap((packet) => [...packet.came, endOf(packet, delay)]),
  ]))].sort((a, b) => a - b);
  if (times[0] !== 0) times.unshift(0);

  const heights = [];
  const pauses = [];
  const free = new Map(lanes.map((lane) => [lane, sizes.top])); // from here on down the lane has no label yet
  const places = new Map();
  const ends = new Map();
  let floor = sizes.top; // what comes next stands here or below
  times.forEach((time, i) => {
    let height = floor;
    if (i > 0) {
      const room = (time - times[i - 1]) * perNs;
      height = floor + Math.min(room, sizes.pause);
      if (room > 2 * sizes.pause) pauses.push({ from: times[i - 1], to: time });
    }
    const here = all.map(({ lane, rows }) => [lane, rows.filter((row) => row.at === time)]);
    for (const [lane, found] of here) if (found.length) height = Math.max(height, free.get(lane));
    floor = height;
    for (const [lane, found] of here) {
      let down = height;
      found.forEach((row, nth) => {
        const before = found[nth - 1];
        if (before) down += row.heard && isEnd(before) ? sizes.clear : isEnd(before) && !isEnd(row) ? 0 : sizeOf(before, sizes);
        if (isEnd(row)) ends.set(row.packet, [...(ends.get(row.packet) ?? []), down]);
        else places.set(row.packet ?? row.said ?? row.heard, down);
        floor = Math.max(floor, down);
      });
      if (found.length) down += sizeOf(found.at(-1), sizes);
      if (found.length) free.set(lane, down);
    }
    heights.push(height);
  });

  const last = times.length - 1;
  const at = (time) => mapped(times, heights, time, perNs);
  return {
    at,
    timeAt: (height) => Math.round(mapped(heights, times, height, 0)),
    place: (thing) => places.get(thing),
    end: (packet, copy) => ends.get(packet)[copy],
    pauses,
    times,
    height: Math.max(heights[last], ...free.values()) + sizes.below,
  };
}

const isEnd = (row) => row.copy !== undefined;
const sizeOf = (row, sizes) => (row.packet ? sizes.row : sizes.bubble);

/** Straight between the known points; beyond the last, on with `slope`. */
function mapped(from, to, value, slope) {
  const last = from.length - 1;
  if (value <= from[0]) return to[0];
  if (value >= from[last]) return to[last] + (value - from[last]) * slope;
  let low = 0;
  let high = last;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (from[middle] <= value) low = middle;
    else high = middle;
  }
  const span = from[high] - from[low];
  return span ? to[low] + ((value - from[low]) / span) * (to[high] - to[low]) : to[low];
}

/** Moments whose time is written beside the ladders: not closer than `gap` pixels. */
export function ticks(scale, gap = 30) {
  let last = -Infinity;
  return scale.times.filter((time) => {
    const height = scale.at(time);
    if (height - last < gap) return false;
    last = height;
    return true;
  });
}
