"""Short scenes in which people are hard to tell apart or to keep in sight, with the truth about who is where.

Each kind is one difficulty of tracking: people who pass one before the other, something before a face, a cut, somebody
who leaves and comes back, a head that turns away.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Literal, TypeAlias, get_args

import cv2
import numpy as np
from jaxtyping import Bool, Float64, UInt8

from maedfer.emotions import BASIC_EXPRESSIONS
from maedfer.errors import ConfigError
from maedfer.synth.clips import head_of
from maedfer.synth.corpus import load_rig
from maedfer.synth.dynamics import Bout
from maedfer.synth.expressions import apex_weights
from maedfer.synth.head import Head
from maedfer.synth.life import Life
from maedfer.synth.render import Placement, rotation
from maedfer.synth.scene import backdrop, draw_lighting
from maedfer.synth.stage import Actor, face_box, film
from maedfer.synth.walks import Walk, crossing, leaving, standing, turning

__all__ = ["Encounter", "EncounterKind", "render_encounter"]

EncounterKind: TypeAlias = Literal["crossing", "occlusion", "cut", "exit", "turn"]

# Other people than those of the clips and of the sample, should anyone render them with one seed.
_SUBJECT_FROM = 2_000_000
_LEAST_S: dict[EncounterKind, float] = {"crossing": 4.0, "occlusion": 4.0, "cut": 2.0, "exit": 5.0, "turn": 3.0}
# Of a face's box: this share covered is hidden, this share beyond the border is out of the picture.
_HIDDEN, _OUT = 0.5, 0.5
_DISTANCE = 14.0
_WALKS = {"crossing": crossing, "occlusion": standing, "cut": standing, "exit": leaving, "turn": turning}


@dataclass(frozen=True)
class Encounter:
    """A rendered scene. A person is a row: identity is the index.

    Attributes:
        kind: its difficulty.
        frames: RGB pictures, rendered as they are asked for; once.
        boxes: x0, y0, x1, y1 of each person's face in each frame, from forehead to chin, in pixels; NaN where half of
            it or more is out of the picture, or the person is not in this shot.
        hidden: whether half of the box or more is covered by somebody or something nearer to the camera.
        fps: frames per second; frame ``k`` is shown at ``k / fps`` seconds.
        cut: the first frame of the second shot; ``None`` for one shot.
    """

    kind: EncounterKind
    frames: Iterator[UInt8[np.ndarray, "H W 3"]]
    boxes: Float64[np.ndarray, "P T 4"]
    hidden: Bool[np.ndarray, "P T"]
    fps: float
    cut: int | None


@dataclass(frozen=True)
class _Occluder:
    """A thing held before the camera: its box in each frame, round or not, of one colour."""

    boxes: Float64[np.ndarray, "T 4"]
    colour: tuple[int, int, int]
    round: bool


def render_encounter(
    kind: EncounterKind,
    seed: int,
    *,
    rig: str = "anny",
    width: int = 640,
    height: int = 360,
    fps: float = 25.0,
    seconds: float = 6.0,
) -> Encounter:
    """Two people and one difficulty. Frames are rendered when the iterator is read, a few at a time.

    - ``"crossing"``: one passes before the other: by ``seed % 3`` they come from two sides (0), one overtakes (1), or
      they meet, stand one before the other for a moment and go back (2).
    - ``"occlusion"``: a hand-like disc or a board covers one face for 0.6 to 0.9 s.
    - ``"cut"``: half-way another room with two other people at the same places.
    - ``"exit"``: person 0 leaves and returns after 0.8 s, person 1 after 3 s.
    - ``"turn"``: each head turns by 40 to 60 degrees and back.

    Args:
        kind: of the difficulty.
        seed: of people, room and motion.
        rig: ``"anny"``, or the path of an ``.npz`` of ICT-FaceKit arrays.
        width: pixels, even, at least ``height``.
        height: pixels, even, 64 or more.
        fps: frames per second.
        seconds: length; at least 4 for crossing and occlusion, 5 for exit, 3 for turn, 2 for cut.

    Raises:
        ConfigError: a setting is impossible.
        RenderError: the rig is missing, or (when the first frame is read) a library or driver.
    """
    _check(kind, seed, width, height, fps, seconds)
    rng = np.random.default_rng([seed, 78])
    model = load_rig(rig)
    times = (np.arange(round(seconds * fps)) + 0.5) / fps
    walks = _WALKS[kind](rng, seed, times, width / height)
    cut = len(times) // 2 if kind == "cut" else None
    shots = [range(len(times))] if cut is None else [range(cut), range(cut, len(times))]
    casts = [
        [_rehearse(rng, head_of(model, seed, _SUBJECT_FROM + 2 * s + p), w, times, shot) for p, w in enumerate(walks)]
        for s, shot in enumerate(shots)
    ]
    boxes, hidden = _truth(casts, shots, len(times), width, height)
    frames = chain.from_iterable([film(cast, backdrop(rng, height, width), model, rng) for cast in casts])
    if kind == "occlusion":
        occluder, covered = _occluder(rng, boxes[seed % 2], times)
        hidden[seed % 2] |= covered
        return Encounter(kind, _behind(frames, occluder), boxes, hidden, fps, cut)
    return Encounter(kind, frames, boxes, hidden, fps, cut)


def _check(kind: EncounterKind, seed: int, width: int, height: int, fps: float, seconds: float) -> None:
    if kind not in get_args(EncounterKind):
        raise ConfigError(f"expected a kind of {', '.join(get_args(EncounterKind))}, got {kind!r}")
    sides = width % 2 == 0 and height % 2 == 0 and 64 <= height <= width
    if not sides or fps <= 0 or seed < 0 or seconds < _LEAST_S[kind]:
        raise ConfigError(
            f"{kind} of {width}x{height} px, {seconds} s at {fps} fps, seed {seed}: expected even sides from 64 px, "
            f"no narrower than high, {_LEAST_S[kind]} s or more, a positive frame rate and a seed from 0"
        )


def _rehearse(rng: np.random.Generator, head: Head, walk: Walk, times: Float64[np.ndarray, "T"], shot: range) -> Actor:
    """All that one person does in one shot: walks, lives, and shows one expression."""
    seconds = float(times[0] + times[-1])
    life = Life(rng, seconds, talk=float(rng.uniform(0, 0.5)))
    label = str(rng.choice(BASIC_EXPRESSIONS))
    onset = float(rng.uniform(0.1, 0.6)) * seconds
    curve = Bout(onset, onset + 0.4, onset + 1.8, 0.4).curve(times)
    weights = life.weights(times, curve[:, None] * apex_weights(label, 0, 1.0, rng))
    focal = walk.fill * 2 * _DISTANCE / head.face_height
    step = 2 * _DISTANCE / focal
    places = [
        Placement(
            rotation(0.75 * float(walk.yaw[t]) + m[0], m[1], m[2]),
            rotation(0.25 * float(walk.yaw[t]), 0.0, 0.0),
            np.array([walk.across[t] * step + m[3], walk.up * step + m[4], m[5] - _DISTANCE], np.float32),
            focal,
        )
        for t, m in enumerate(life.head(times))
    ]
    lighting = draw_lighting(rng, float(head.person.skin.mean()))
    part = slice(shot.start, shot.stop)
    return Actor(head, weights[part], places[part], lighting, walk.layer)


def _truth(
    casts: list[list[Actor]], shots: list[range], frames: int, width: int, height: int
) -> tuple[Float64[np.ndarray, "P T 4"], Bool[np.ndarray, "P T"]]:
    """Boxes where people are in the picture, and whether somebody stands before them."""
    people = [(actor, shot) for cast, shot in zip(casts, shots, strict=True) for actor in cast]
    boxes = np.full((len(people), frames, 4), np.nan)
    hidden = np.zeros((len(people), frames), bool)
    for p, (actor, shot) in enumerate(people):
        boxes[p, shot.start : shot.stop] = [face_box(actor.head, at, width, height) for at in actor.places]
    for p, (actor, _) in enumerate(people):
        for q, (other, _) in enumerate(people):
            if other.layer > actor.layer:
                hidden[p] |= _covered(boxes[p], boxes[q]) >= _HIDDEN
    picture = np.broadcast_to(np.array([0.0, 0.0, width, height]), boxes.shape[1:])
    for box in boxes:
        box[~(_covered(box, picture) > 1 - _OUT)] = np.nan
    return boxes, hidden & np.isfinite(boxes[..., 0])


def _covered(boxes: Float64[np.ndarray, "T 4"], by: Float64[np.ndarray, "T 4"]) -> Float64[np.ndarray, "T"]:
    """Share of each box that lies in the other; NaN where one is not there."""
    inner = np.maximum(0, np.minimum(boxes[:, 2:], by[:, 2:]) - np.maximum(boxes[:, :2], by[:, :2])).prod(1)
    return np.asarray(inner / (boxes[:, 2:] - boxes[:, :2]).prod(1), np.float64)


def _occluder(
    rng: np.random.Generator, faces: Float64[np.ndarray, "T 4"], times: Float64[np.ndarray, "T"]
) -> tuple[_Occluder, Bool[np.ndarray, "T"]]:
    """Something that comes from below, stays before the face for 0.6 to 0.9 s in all, and goes; when it covers."""
    covers_s, moves_s = float(rng.uniform(0.6, 0.9)), 0.24
    start = float(times[0] + times[-1]) * float(rng.uniform(0.35, 0.5))
    # Half-way up or down it covers about half of the face.
    up = np.clip((times - start) / moves_s + 0.5, 0, 1) - np.clip((times - start - covers_s) / moves_s + 0.5, 0, 1)
    centre, size = (faces[:, :2] + faces[:, 2:]) / 2, faces[:, 3] - faces[:, 1]
    half = size * rng.uniform(0.62, 0.75)
    below = centre[:, 1] + (1 - up) * (size / 2 + half) * np.where(up > 0, 1, 4)
    middle = np.stack([centre[:, 0] + size * rng.uniform(-0.06, 0.06), below], 1)
    boxes = np.concatenate([middle - half[:, None], middle + half[:, None]], 1)
    hand = rng.random() < 0.5
    colour = rng.uniform([120, 75, 55], [230, 180, 150]) if hand else rng.uniform(20, 230, 3)
    red, green, blue = (int(c) for c in colour)
    return _Occluder(boxes, (red, green, blue), bool(hand)), _covered(faces, boxes) >= _HIDDEN


def _behind(frames: Iterator[UInt8[np.ndarray, "H W 3"]], occluder: _Occluder) -> Iterator[UInt8[np.ndarray, "H W 3"]]:
    """The frames with the thing before them."""
    for frame, box in zip(frames, occluder.boxes, strict=True):
        x0, y0, x1, y1 = (round(float(v) * 16) for v in box)
        seen = np.ascontiguousarray(frame)
        if occluder.round:
            centre, radius = ((x0 + x1) // 2, (y0 + y1) // 2), (x1 - x0) // 2
            cv2.circle(seen, centre, radius, occluder.colour, -1, cv2.LINE_AA, 4)
        else:
            cv2.rectangle(seen, (x0, y0), (x1, y1), occluder.colour, -1, cv2.LINE_AA, 4)
        yield seen
