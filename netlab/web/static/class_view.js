// What a teacher knows of the class, kept from what the server tells: hosts, and the latest packets with their fates.

/** How many packets are kept. */
export const SHOWN = 200;

const ARRIVED = new Set(["delivered", "corrupted"]);

export class ClassView {
  constructor() {
    this.token = "";
    this.join = [];
    this.hosts = new Map(); // id -> host
    this.packets = new Map(); // id -> packet, the oldest first
  }

  /** Takes in one message. Returns what is worth telling aloud, or "". */
  take(message) {
    switch (message.type) {
      case "class":
        this.token = message.token;
        this.join = message.join;
        this.hosts = new Map(message.hosts.map((host) => [host.id, host]));
        this.packets = new Map(message.packets.map((packet) => [packet.id, packet]));
        return "";
      case "host": {
        const before = this.hosts.get(message.host.id);
        this.hosts.set(message.host.id, message.host);
        const isNew = Boolean(message.host.name) && !before?.name;
        return isNew ? `${message.host.name} is in the class.` : "";
      }
      case "gone": {
        const name = this.nameOf(message.host);
        this.hosts.delete(message.host);
        return `${name} is gone.`;
      }
      case "packet":
        this.packets.set(message.id, message);
        while (this.packets.size > SHOWN) this.packets.delete(this.packets.keys().next().value);
        return message.state === "waiting" ? `${this.nameOf(message.host)}: a packet waits.` : "";
      case "fate": {
        const packet = this.packets.get(message.id);
        if (!packet) return "";
        packet.state = message.state;
        const host = this.hosts.get(packet.host);
        if (host && ARRIVED.has(message.state)) this.hosts.set(host.id, { ...host, [packet.way]: host[packet.way] + 1 });
        return "";
      }
      case "missed":
        return `${message.count} messages were missed: this page is too slow.`;
      case "error":
        return message.error;
      default:
        return "";
    }
  }

  nameOf(id) {
    const host = this.hosts.get(id);
    return host?.name || host?.address || `host ${id}`;
  }

  /** Packets that wait for the teacher's hand, the oldest first. */
  waiting() {
    return [...this.packets.values()].filter((packet) => packet.state === "waiting");
  }

  /** Hosts, each with how many packets of it wait. */
  hostsWithWaiting() {
    const counts = new Map();
    for (const { host } of this.waiting()) counts.set(host, (counts.get(host) ?? 0) + 1);
    return [...this.hosts.values()].map((host) => ({ ...host, waiting: counts.get(host.id) ?? 0 }));
  }

  /** Those whose fate is known or under way, the latest first. */
  passed() {
    return [...this.packets.values()].filter((packet) => packet.state !== "waiting").reverse();
  }
}
