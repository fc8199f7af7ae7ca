"""What every result of a benchmark says beside its figures: command, commit, machine, versions."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from maedfer import __version__

RESULTS = Path(__file__).parent / "results"


def circumstances() -> dict[str, Any]:
    """Facts about this run."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    changed = subprocess.run(["git", "status", "--porcelain", "src"], capture_output=True, text=True, check=False)
    return {
        "command": " ".join(["python", *map(_without_folders, sys.argv)]),
        "commit": (commit.stdout.strip() or "unknown") + ("+" if changed.stdout.strip() else ""),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "maedfer": __version__,
    }


def write(name: str, figures: dict[str, Any]) -> Path:
    """Write ``benchmarks/results/NAME.json``."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"run": circumstances()} | figures, indent=1) + "\n", encoding="utf-8")
    return path


def _without_folders(argument: str) -> str:
    """A path of this machine, alone or as NAME=PATH, cut to its last name."""
    name, equals, value = argument.rpartition("=")
    return name + equals + (Path(value).name if Path(value).is_absolute() else value)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
