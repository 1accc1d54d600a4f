// What happened when, read from the timeline of a run. The cursor is a moment of virtual time: what is at or before it
// has happened.

/** The middle of the delays of a lane's packets, ns; 0 where none came. */
export function usualDelay(lane) {
  if (lane.delay !== undefined) return lane.delay;
  const delays = lane.packets.flatMap((packet) => packet.came.map((at) => at - packet.sent)).sort((a, b) => a - b);
  return delays.length ? delays[Math.floor(delays.length / 2)] : 0;
}

/** Packets that carry a text from ann towards the hub, in the order in which they were sent. */
export const carriers = (lane, text) =>
  lane.packets.filter((packet) => packet.source === "client" && packet.carries === text);

export const isLost = (packet) => packet.came.length === 0 && packet.fate !== "on its way";

/** Where a loss is drawn: the link loses a packet as it enters, and that is told a little down its way. */
export const goneAt = (packet, delay) => packet.sent + Math.round(delay * 0.6);

/** When the last trace of a packet is drawn: arrival, or the cross. */
export const endOf = (packet, delay) => (packet.came.length ? Math.max(...packet.came) : goneAt(packet, delay));

/** A lane from the first moment on: of how ann came into the room, before it, only the usual delay is kept. */
export const fromTheStart = (lane) => ({
  ...lane, delay: usualDelay(lane), packets: lane.packets.filter((packet) => packet.sent >= 0),
});

/** What becomes of a packet, in a word or two: `lost`, `queue full`, `corrupted`, `doubled`, `came`, `on its way`. */
export function fateWord(packet) {
  if (!packet.came.length) return packet.fate;
  if (packet.fate.startsWith("corrupt")) return "corrupted";
  return packet.came.length > 1 ? "doubled" : "came";
}

/** Every moment at which something happens in any lane, in order, with what happens. */
export function moments(timeline) {
  const found = timeline.lanes.flatMap((lane) => {
    const delay = usualDelay(lane);
    const over = lane.over;
    return [
      ...lane.said.map(({ at, text }) => ({ at, over, kind: "said", text })),
      ...lane.packets.flatMap((packet) => [
        { at: packet.sent, over, kind: packet.again ? "again" : "sent", packet },
        ...(isLost(packet) ? [{ at: goneAt(packet, delay), over, kind: "lost", packet }] : []),
        ...packet.came.map((at, copy) => ({ at, over, kind: copy ? "copy" : "came", packet })),
      ]),
      ...lane.heard.map(({ at, text }) => ({ at, over, kind: "heard", text })),
      ...lane.states.filter(({ at, why }) => at >= 0 && why).map((state) => ({ at: state.at, over, kind: "why", state })),
    ];
  });
  return found.sort((one, other) => one.at - other.at);
}

/** How an end stands by the cursor: its last state, or null. */
export const stateOf = (lane, host, cursor) =>
  lane.states.findLast((state) => state.host === host && state.at <= cursor) ?? null;

/** The moment after the cursor, or null. */
export const following = (all, cursor) => all.find((one) => one.at > cursor)?.at ?? null;

/** The moment before the cursor, or null. */
export const preceding = (all, cursor) => all.findLast((one) => one.at < cursor)?.at ?? null;

/** What happens after one cursor and not later than another. */
export const between = (all, from, to) => all.filter((one) => one.at > from && one.at <= to);

/** The last moment of a run; 0 of an empty one. */
export const endOfRun = (all) => all.at(-1)?.at ?? 0;
