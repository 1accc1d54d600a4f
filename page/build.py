"""Makes `netlab/web/static/built/`: `make page`.

The colours come from the figures; the notebook's widget is the page's modules in one file, put together by esbuild, of
the version that package.json pins.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from netlab.figures.layer_colours import colour_of
from netlab.figures.style import DARK, LIGHT

HERE = Path(__file__).parent
STATIC = HERE.parent / "netlab" / "web" / "static"
BUILT = STATIC / "built"

COLOURS = ["paper", "ink", "faint", "line", "orange", "sky", "green", "yellow", "blue", "vermillion", "purple"]
LAYERS = ("Link", "Internet", "Transport", "Application")
PROTOCOLS = ("netlab packet", "chat event", "data", "padding")


def palette() -> str:
    """The figures' two themes as CSS: one name a colour, and the colour of each layer."""
    lines = ["/* Made by `make page` of netlab/figures/style.py and layer_colours.py. */", ".netlab-colours {"]
    lines += [f"  --{name}: light-dark({getattr(LIGHT, name)}, {getattr(DARK, name)});" for name in COLOURS]
    lines.append("}")
    placed = [("data-tcp-ip", layer, colour_of("", layer, LIGHT), colour_of("", layer, DARK)) for layer in LAYERS]
    placed += [
        ("data-protocol", protocol, colour_of(protocol, "", LIGHT), colour_of(protocol, "", DARK))
        for protocol in PROTOCOLS
    ]
    for attribute, name, light, dark in placed:
        lines.append(f'[{attribute}="{name}"] {{ --layer: light-dark({light}, {dark}); }}')
    return "\n".join(lines) + "\n"


def build(out: Path = BUILT) -> None:
    """Write the built files into a folder.

    Raises:
        subprocess.CalledProcessError: npm can't get esbuild, or esbuild finds a mistake; what it says is on stderr.
    """
    out.mkdir(parents=True, exist_ok=True)
    (out / "palette.css").write_text(palette(), encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder)
        subprocess.run(["npm", "ci", "--silent"], cwd=folder, check=True)
        command = [
            f"{folder}/node_modules/.bin/esbuild",
            "widget.js",
            "widget.css",
            "--bundle",
            "--format=esm",
            "--charset=utf8",
            "--target=es2022",
            f"--outdir={out}",
            "--log-level=warning",
        ]
        subprocess.run(command, cwd=STATIC, check=True)


if __name__ == "__main__":
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else BUILT)
