// The page of a class: the teacher's where the address holds the teacher's secret, a student's otherwise. What stands
// behind the # never leaves the browser: it is the first message of the connection.

import { settings } from "./settings.js";
import { StudentPane } from "./student_pane.js";
import { TeacherPane } from "./teacher_pane.js";

const said = new URLSearchParams(location.hash.slice(1));
const secret = said.get("teach");
const place = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}`;

document.getElementById("settings").append(settings({ keys: false }));
document.getElementById("class").append(
  secret === null
    ? new StudentPane(`${place}/class/join`, said.get("token") ?? "").node
    : new TeacherPane(`${place}/class/teach`, secret, `${location.origin}/class`).node,
);
