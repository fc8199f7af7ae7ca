"""What two expression classifiers that never saw our laboratory read in its faces, by class and by prototype.

python benchmarks/judges.py --face-api MANIFEST.json --fer MODEL.hdf5 [--rig anny --rig FILE.npz] [--clips 210]
    [--intensity 1] [--silent] [--record judges] [--sheet FOLDER]

One frame a clip, from its middle (clips that are not at their apex then are left out), is rendered, found by our
detector and shown to the judges; ``judge_face_api.py`` and ``judge_fer.py`` say where their weights come from. They are
judges only: nothing is learned from them. Chance is one in seven. Judges that agree on a wrong class say that the face
does show that class.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from sklearn.metrics import roc_auc_score

import record
from judge_face_api import FaceApi
from judge_fer import Fer
from maedfer.emotions import BASIC_EXPRESSIONS
from maedfer.evaluate.bootstrap import percentiles
from maedfer.synth import ClipSpec, Renderer, draw_spec, load_rig, render_clip
from maedfer.video.detect import CenterFace
from maedfer.video.types import Face

_SIDE, _SECONDS = 224, 2.56
_REACHED = 0.85  # of the apex
_SEED = 977


class Judge(Protocol):
    """A classifier of single faces."""

    name: str
    labels: tuple[str, ...]

    def crop(self, image: np.ndarray, face: Face) -> np.ndarray:
        """What it wants to see of a picture."""

    def judge(self, crops: np.ndarray) -> np.ndarray:
        """Probabilities in the order of its labels."""


@dataclass(frozen=True)
class Apex:
    """One rendered face at its apex.

    Attributes:
        spec: what it should show.
        image: RGB.
        face: where the detector found it; ``None`` when it did not.
    """

    spec: ClipSpec
    image: np.ndarray
    face: Face | None

    @property
    def prototype(self) -> str:
        """The expression and which way of showing it."""
        return self.spec.mix


def specs(clips: int, seed: int, intensity: float | None, silent: bool, split: str) -> Iterator[ClipSpec]:
    """The first clips of each class, equally many, that reach their apex."""
    wanted = dict.fromkeys(BASIC_EXPRESSIONS, clips // len(BASIC_EXPRESSIONS))
    for index in range(20 * clips):
        # A clip of one frame shows the middle of the same performance.
        spec = draw_spec(index, seed, size=_SIDE, fps=1 / _SECONDS, seconds=_SECONDS, test_share=0.0, split=split)
        shown = 1.0 if spec.label == "neutral" else float(spec.bout.curve(np.array([_SECONDS / 2]))[0])
        if wanted[spec.label] and shown >= _REACHED:
            wanted[spec.label] -= 1
            strength = spec.intensity if intensity is None or spec.label == "neutral" else intensity
            yield replace(spec, intensity=strength, talk=0.0 if silent else spec.talk)


def apexes(rig: str, chosen: Iterator[ClipSpec]) -> Iterator[Apex]:
    """Faces of a rig."""
    renderer, detector = Renderer(load_rig(rig), _SIDE, _SIDE), CenterFace()
    for spec in chosen:
        image = render_clip(spec, renderer)[0]
        found = detector.detect(image)
        yield Apex(spec, image, found[0] if found else None)
    renderer.close()


def readings(judge: Judge, faces: list[Apex]) -> np.ndarray:
    """Probabilities (N, 7) in the order of our labels."""
    crops = np.stack([judge.crop(apex.image, apex.face) for apex in faces if apex.face is not None])
    order = [judge.labels.index(label) for label in BASIC_EXPRESSIONS]
    return np.concatenate([judge.judge(crops[at : at + 32]) for at in range(0, len(crops), 32)])[:, order]


def figures(said: np.ndarray, faces: list[Apex]) -> dict[str, Any]:
    """Share read rightly by class and prototype, what was read instead, and the confusion.

    ``area``: how often a face of the class gets a higher probability of it than one of another class; chance one half.
    """
    truth = np.array([BASIC_EXPRESSIONS.index(apex.spec.label) for apex in faces])
    called, names = said.argmax(1), np.array([apex.prototype for apex in faces])
    confusion = np.zeros((len(BASIC_EXPRESSIONS),) * 2, int)
    np.add.at(confusion, (truth, called), 1)
    prototypes = {}
    for name in sorted(set(names), key=lambda n: (BASIC_EXPRESSIONS.index(n.split("/")[0]), n)):
        own = names == name
        votes = np.bincount(called[own], minlength=len(BASIC_EXPRESSIONS))
        prototypes[name] = {
            "clips": int(own.sum()),
            "right": round(float((called == truth)[own].mean()), 3),
            "probability": round(float(said[own, truth[own]].mean()), 3),
            "read_as": {BASIC_EXPRESSIONS[k]: int(votes[k]) for k in np.argsort(-votes) if votes[k]},
        }
    return {
        "right": {label: round(float(confusion[k, k] / max(confusion[k].sum(), 1)), 3) for k, label in _classes()},
        # A judge that hardly ever says a class (FER2013: one picture in 65 is disgust) may find it likelier there yet.
        "area": {label: area(truth == k, said[:, k]) for k, label in _classes()},
        "mean_right": round(float(np.mean(np.diag(confusion) / np.maximum(confusion.sum(1), 1))), 3),
        "confusion": confusion.tolist(),
        "prototypes": prototypes,
    }


def area(shown: np.ndarray, probability: np.ndarray) -> list[float]:
    """Area under the curve of hits over false alarms, and its 95 % interval by bootstrap over faces."""
    rng, areas = np.random.default_rng(0), [float(roc_auc_score(shown, probability))]
    for _ in range(1000):
        drawn = rng.integers(len(shown), size=len(shown))
        if 0 < shown[drawn].sum() < len(shown):
            areas.append(float(roc_auc_score(shown[drawn], probability[drawn])))
    return [round(figure, 3) for figure in (areas[0], *percentiles(np.array(areas[1:])))]


def _classes() -> list[tuple[int, str]]:
    return list(enumerate(BASIC_EXPRESSIONS))


def show(console: Console, title: str, found: dict[str, dict[str, Any]]) -> None:
    """The confusion of each judge, then the prototypes side by side."""
    for judge, told in found.items():
        table = Table("truth, read as", *(label[:8] for label in BASIC_EXPRESSIONS), "right", "area")
        table.title = f"{title}: {judge}"
        for k, label in _classes():
            middle, low, high = told["area"][label]
            shares = (f"{told['right'][label]:.0%}", f"{middle:.2f} ({low:.2f} to {high:.2f})")
            table.add_row(label, *map(str, told["confusion"][k]), *shares)
        console.print(table, f"mean {told['mean_right']:.0%}; chance 14%\n")
    table = Table("prototype", "clips", *found, title=f"{title}: right (mean probability), and read as")
    for name, first in next(iter(found.values()))["prototypes"].items():
        cells = []
        for told in found.values():
            own = told["prototypes"][name]
            read = " ".join(f"{label}:{count}" for label, count in list(own["read_as"].items())[:3])
            cells.append(f"{own['right']:.0%} ({own['probability']:.2f})  {read}")
        table.add_row(name, str(first["clips"]), *cells)
    console.print(table)


def sheet(faces: list[Apex], said: dict[str, np.ndarray], path: Path) -> None:
    """A picture with a row for each prototype; under each face what the judges read, wrong ones in red."""
    rows: dict[str, list[np.ndarray]] = {}
    for number, apex in enumerate(faces):
        tile = cv2.copyMakeBorder(apex.image, 0, 34, 0, 0, cv2.BORDER_CONSTANT)
        cv2.putText(tile, apex.prototype, (3, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (255, 255, 0), 1)
        for line, (judge, told) in enumerate(said.items()):
            label = BASIC_EXPRESSIONS[int(told[number].argmax())]
            colour = (90, 255, 90) if label == apex.spec.label else (255, 90, 90)
            text = f"{judge}: {label} {told[number].max():.2f}"
            cv2.putText(tile, text, (3, _SIDE + 13 + 16 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.42, colour, 1)
        rows.setdefault(apex.prototype, []).append(tile)
    wide = 8
    blank = np.zeros_like(next(iter(rows.values()))[0])
    keys = sorted(rows, key=lambda n: (BASIC_EXPRESSIONS.index(n.split("/")[0]), n))
    lines = [np.concatenate((rows[key] + [blank] * wide)[:wide], 1) for key in keys]
    cv2.imwrite(str(path), np.concatenate(lines)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])


def main() -> None:
    """Render, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--face-api", type=Path, help="face_expression_model-weights_manifest.json")
    parser.add_argument("--fer", type=Path, help="emotion_model.hdf5")
    parser.add_argument("--rig", action="append", help="anny, or an .npz of ICT-FaceKit arrays; may be repeated")
    parser.add_argument("--clips", type=int, default=210, help="of each rig; a seventh of them each class")
    parser.add_argument("--seed", type=int, default=_SEED, help="of people and scenes")
    parser.add_argument("--intensity", type=float, help="of every expression; left out: as it is drawn")
    parser.add_argument("--silent", action="store_true", help="nobody speaks")
    parser.add_argument("--split", default="train", help="test: the forms that are never learnt, too")
    parser.add_argument("--record", help="write benchmarks/results/NAME.json")
    parser.add_argument("--sheet", type=Path, help="folder for a picture of each rig's faces")
    arguments = parser.parse_args()
    judges: list[Judge] = []
    judges += [FaceApi(arguments.face_api)] if arguments.face_api else []
    judges += [Fer(arguments.fer)] if arguments.fer else []
    if not judges:
        parser.error("expected at least one judge: --face-api or --fer")
    torch.set_num_threads(1)
    console, results = Console(width=150), {}
    for rig in arguments.rig or ["anny"]:
        chosen = specs(arguments.clips, arguments.seed, arguments.intensity, arguments.silent, arguments.split)
        every = list(apexes(rig, chosen))
        faces = [apex for apex in every if apex.face is not None]
        said = {judge.name: readings(judge, faces) for judge in judges}
        found = {name: figures(told, faces) for name, told in said.items()}
        name = Path(rig).stem
        show(console, name, found)
        console.print(f"{len(every) - len(faces)} of {len(every)} faces were not found by the detector\n")
        results[name] = {"clips": len(every), "not_detected": len(every) - len(faces), "judges": found}
        if arguments.sheet:
            arguments.sheet.mkdir(parents=True, exist_ok=True)
            sheet(faces, said, arguments.sheet / f"judges_{name}.jpg")
    if arguments.record:
        drawn = {name: getattr(arguments, name) for name in ("seed", "intensity", "silent", "split")}
        facts = drawn | {"rigs": results}
        print(f"wrote {record.write(arguments.record, facts)}")


if __name__ == "__main__":
    main()
