// Runs a scenario of netlab in Pyodide, without sockets and threads, and prints what came of it as JSON; "bench" is no
// scenario, but what each lane of the bench gives.
// node run.mjs PYODIDE REPOSITORY MSGSPEC_WHEEL SCENARIO SEED
import { pathToFileURL } from "node:url";

const [pyodideFolder, repository, wheel, scenario, seed] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${pyodideFolder}/pyodide.mjs`).href);
const quiet = () => {};
const py = await loadPyodide({ indexURL: `${pyodideFolder}/` });
await py.loadPackage(pathToFileURL(wheel).href, { messageCallback: quiet });
py.FS.mkdirTree("/netlab-source/netlab");
py.mountNodeFS("/netlab-source/netlab", `${repository}/netlab`);
py.globals.set("scenario", scenario);
py.globals.set("seed", Number(seed));
console.log(
  await py.runPythonAsync(`
import sys

sys.path.insert(0, "/netlab-source")
sys.dont_write_bytecode = True
from hashlib import sha256

import msgspec

import netlab.network
import netlab.protocols.arq
import netlab.protocols.congestion
import netlab.protocols.tcp
from netlab.scenarios import load, run
from netlab.scenarios.bench.lane import run_lane
from netlab.scenarios.bench.script import LANES, read_script

if scenario == "bench":
    script = read_script({"seed": seed, "link": {"loss": "30%", "delay": "40ms"}, "texts": [{"at": 0, "text": "hi"}]})
    lanes = [run_lane(script, over) for over in LANES]
    told = {lane.over: lane.broken or sha256(lane.pcapng).hexdigest() for lane in lanes}
else:
    told = run(load(scenario), seed=seed)
msgspec.json.encode(told).decode()
`),
);
