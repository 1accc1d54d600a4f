// The bench in a notebook: anywidget's one file is made of this by `make page`.

import { Bench } from "./bench.js";
import { fresh } from "./script.js";
import { WidgetSource } from "./sources.js";

function render({ model, el: place }) {
  const bench = new Bench(new WidgetSource(model), { script: fresh(model.get("script")), still: true });
  bench.node.classList.add("netlab-colours", "in-notebook");
  place.append(bench.node);
}

export default { render };
