// The page of `netlab web`: the bench, the chat of the real rooms, and how the page looks.

import { Bench } from "./bench.js";
import { ChatPane } from "./chat_pane.js";
import { el } from "./dom.js";
import { fresh } from "./script.js";
import { settings } from "./settings.js";
import { HttpSource } from "./sources.js";

document.getElementById("settings").append(settings());

const bench = new Bench(new HttpSource(), { script: fresh({ seed: 7, link: { loss: "30%" } }), keys: document });
document.getElementById("bench").append(bench.node);

const answer = await fetch("/settings.json");
const { ws, token } = answer.ok ? await answer.json() : {};
const chat = document.getElementById("chat");
if (ws) chat.append(new ChatPane(ws, { asksForToken: token }).node);
else chat.append(el("p", {}, "This server hosts no rooms."));
chat.hidden = false;
