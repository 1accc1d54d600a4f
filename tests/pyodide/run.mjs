// Runs a scenario of netlab in Pyodide, without sockets and threads, and prints what came of it as JSON.
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
import msgspec

import netlab.network
import netlab.protocols.arq
import netlab.protocols.congestion
import netlab.protocols.tcp
from netlab.scenarios import load, run

msgspec.json.encode(run(load(scenario), seed=seed)).decode()
`),
);
