"""A longer picture of known truth: several people side by side, each going through expressions with rests between."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64, UInt8

from maedfer.emotions import BASIC_EXPRESSIONS
from maedfer.errors import ConfigError
from maedfer.output import write_text
from maedfer.synth.clips import head_of
from maedfer.synth.corpus import load_rig
from maedfer.synth.dynamics import Bout
from maedfer.synth.expressions import apex_weights
from maedfer.synth.head import Head
from maedfer.synth.life import Life
from maedfer.synth.render import Placement, rotation
from maedfer.synth.scene import backdrop, draw_lighting
from maedfer.synth.stage import Actor, face_box, film
from maedfer.video.encode import write_video

__all__ = ["Scene", "TruthRow", "render_scene", "write_sample"]

_REST_S, _BOUT_S, _RAMP_S = 1.0, 2.8, 0.4
# A second set of people than the clips', should anyone render both with one seed.
_SUBJECT_FROM = 1_000_000


@dataclass(frozen=True)
class TruthRow:
    """What one face shows for a while.

    Attributes:
        face: counted from 0, from left to right.
        start_s: seconds; half of the onset is over.
        end_s: seconds; half of the fading is over.
        label: one of :data:`~maedfer.emotions.BASIC_EXPRESSIONS`.
    """

    face: int
    start_s: float
    end_s: float
    label: str


@dataclass(frozen=True)
class Scene:
    """A rendered scene.

    Attributes:
        frames: RGB pictures, rendered as they are asked for.
        truth: gapless rows for each face.
        boxes: x0, y0, x1, y1 of each face in each frame, from forehead to chin, in pixels.
        fps: frames per second.
    """

    frames: Iterator[UInt8[np.ndarray, "H W 3"]]
    truth: tuple[TruthRow, ...]
    boxes: Float64[np.ndarray, "F T 4"]
    fps: float


def render_scene(
    seed: int,
    *,
    rig: str = "anny",
    width: int = 640,
    height: int = 360,
    fps: float = 25.0,
    seconds: float = 12.0,
    faces: int = 2,
) -> Scene:
    """Several people side by side, each running through expressions with neutral between.

    Neighbours never show the same sequence. Frames are rendered when the iterator is read, a few at a time.

    Args:
        seed: of people, order and motion.
        rig: ``"anny"``, or the path of an ``.npz`` of ICT-FaceKit arrays.
        width: pixels, even.
        height: pixels, even.
        fps: frames per second.
        seconds: length; each expression takes about four seconds with its rest.
        faces: how many people, 1 to 6.

    Raises:
        ConfigError: a setting is impossible.
        RenderError: the rig is missing, or (when the first frame is read) a library or driver.
    """
    if not 1 <= faces <= 6 or width % 2 or height % 2 or min(width, height) < 64 or seconds < 2 or fps <= 0 or seed < 0:
        raise ConfigError(
            f"scene of {faces} faces, {width}x{height} px, {seconds} s at {fps} fps, seed {seed}: expected 1..6 faces, "
            "even sides from 64 px, 2 s or more, a positive frame rate and a seed from 0"
        )
    times = (np.arange(round(seconds * fps)) + 0.5) / fps
    rng = np.random.default_rng([seed, 77])
    model = load_rig(rig)
    order = [str(label) for label in rng.permutation([label for label in BASIC_EXPRESSIONS if label != "neutral"])]
    firsts = [(3 * face + face // 2) % len(order) for face in range(faces)]
    plans = [_schedule(rng, order[first:] + order[:first], seconds) for first in firsts]
    across = [((face + 0.5) / faces - 0.5) * width / height for face in range(faces)]
    actors = [_rehearse(rng, head_of(model, seed, _SUBJECT_FROM + f), plans[f], times, across[f]) for f in range(faces)]
    truth = tuple(row for face, plan in enumerate(plans) for row in _truth(face, plan, seconds))
    boxes = np.stack([[face_box(a.head, at, width, height) for at in a.places] for a in actors])
    return Scene(film(actors, backdrop(rng, height, width), model, rng), truth, boxes, fps)


def write_sample(out_dir: Path, seed: int, *, rig: str = "anny") -> tuple[Path, Path]:
    """Write ``sample.mp4`` (H.264, yuv420p) and ``sample_truth.csv`` (face, start_s, end_s, label).

    Raises:
        RenderError: library or driver is missing.
        OutputError: the folder cannot be written.
    """
    scene = render_scene(seed, rig=rig)
    video, table = out_dir / "sample.mp4", out_dir / "sample_truth.csv"
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("face", "start_s", "end_s", "label"))
    writer.writerows((r.face, f"{r.start_s:.2f}", f"{r.end_s:.2f}", r.label) for r in scene.truth)
    write_text(table, text.getvalue())
    write_video(video, scene.frames, scene.fps, crf=24)
    return video, table


def _schedule(rng: np.random.Generator, labels: list[str], seconds: float) -> list[tuple[str, Bout]]:
    """Expressions one after another with rests, as many as fit."""
    bouts: list[tuple[str, Bout]] = []
    start = 0.6 + float(rng.uniform(0, 0.4))
    while start + _BOUT_S <= seconds + 0.01 or not bouts:
        end = min(start + _BOUT_S, seconds)
        bouts.append((labels[len(bouts) % len(labels)], Bout(start, start + _RAMP_S, end - _RAMP_S, _RAMP_S)))
        start = end + _REST_S + float(rng.uniform(-0.1, 0.1))
    return bouts


def _rehearse(
    rng: np.random.Generator, head: Head, plan: list[tuple[str, Bout]], times: Float64[np.ndarray, "T"], across: float
) -> Actor:
    """All that one person does in the scene."""
    life = Life(rng, float(times[-1]), talk=0.0)
    weights = _act(rng, life, plan, times)
    lighting = draw_lighting(rng, float(head.person.skin.mean()))
    return Actor(head, weights, _stand(rng, head, life.head(times), across), lighting)


def _truth(face: int, bouts: list[tuple[str, Bout]], seconds: float) -> list[TruthRow]:
    """Gapless rows: neutral wherever nothing else is shown."""
    rows: list[TruthRow] = []
    at = 0.0
    for label, bout in bouts:
        start = (bout.onset_s + bout.apex_s) / 2
        end = bout.offset_s + bout.release_s / 2
        rows += [TruthRow(face, at, start, "neutral"), TruthRow(face, start, end, label)]
        at = end
    if at < seconds - 1e-6:
        rows.append(TruthRow(face, at, seconds, "neutral"))
    return rows


def _act(
    rng: np.random.Generator, life: Life, bouts: list[tuple[str, Bout]], times: Float64[np.ndarray, "T"]
) -> Float32[np.ndarray, "T K"]:
    """Unit weights over the whole scene: each moment belongs to the strongest bout."""
    curves = np.stack([bout.curve(times) for _, bout in bouts])
    apexes = np.stack([apex_weights(label, int(rng.integers(3)), 1.0, rng) for label, _ in bouts])
    at = curves.argmax(0)
    weights = np.empty((len(times), apexes.shape[1]), np.float32)
    for k, apex in enumerate(apexes):
        weights[at == k] = life.weights(times, curves[k][:, None] * apex)[at == k]
    return weights


def _stand(rng: np.random.Generator, head: Head, motion: Float64[np.ndarray, "T 6"], across: float) -> list[Placement]:
    """Where a person is: ``across`` picture heights from the middle, turned a little to the middle."""
    distance, fill = 14.0, float(rng.uniform(0.36, 0.42))
    focal = fill * 2 * distance / head.face_height
    x = across * 2 * distance / focal
    yaw = float(rng.normal(0, 4)) - 9 * across
    y = float(rng.normal(0, 0.08)) - 0.2
    return [
        Placement(
            rotation(0.6 * yaw + t[0], t[1], t[2]),
            rotation(0.4 * yaw, 0.0, 0.0),
            np.array([x + t[3], y + t[4], t[5] - distance], np.float32),
            focal,
        )
        for t in motion
    ]
