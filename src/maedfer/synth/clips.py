"""One labelled clip: what it shows (:class:`ClipSpec`, drawn from a seed) and its pixels (:func:`render_clip`)."""

import hashlib
from dataclasses import astuple, dataclass

import numpy as np
from jaxtyping import Float32, Float64, UInt8

from maedfer.emotions import BASIC_EXPRESSIONS
from maedfer.errors import ConfigError
from maedfer.synth.dynamics import Bout, Life, draw_bout
from maedfer.synth.expressions import PROTOTYPES, apex_weights
from maedfer.synth.head import Head, build_head
from maedfer.synth.identity import draw_identity
from maedfer.synth.render import Placement, Renderer, rotation
from maedfer.synth.rig import Rig
from maedfer.synth.scene import Camera, backdrop, draw_camera, draw_lighting, shoot

__all__ = ["ClipSpec", "clip_camera", "draw_spec", "head_of", "render_clip"]

#: Counted up whenever the same spec would give other pixels, so that stale clips are not taken for finished ones.
_PICTURE = 1
#: Two people share seven clips: each shows different expressions only, and every seven clips are balanced.
_FIRST_SHARE = 4
_VAL_SHARE = 0.05


@dataclass(frozen=True)
class ClipSpec:
    """What a clip shows. All that is not named here is drawn from ``seed`` and ``index``.

    Attributes:
        seed: of the whole set.
        index: number of the clip in its set.
        subject: number of the person in the set.
        split: ``"train"``, ``"val"`` or ``"test"``, by the person.
        label: one of :data:`~maedfer.emotions.BASIC_EXPRESSIONS`.
        variant: number of the prototype in :data:`~maedfer.synth.expressions.PROTOTYPES`.
        intensity: of the apex; 0 for neutral.
        bout: onset, apex and offset.
        size: side of the square picture in pixels.
        fps: frames per second.
        frames: number of frames.
    """

    seed: int
    index: int
    subject: int
    split: str
    label: str
    variant: int
    intensity: float
    bout: Bout
    size: int
    fps: float
    frames: int

    def __post_init__(self) -> None:
        if self.size < 32 or self.size > 2048 or self.frames < 1 or not 0 < self.fps <= 240:
            raise ConfigError(
                f"a clip of {self.frames} frames of {self.size} px at {self.fps} fps cannot be rendered; "
                "expected at least 1 frame, 32..2048 px, and up to 240 fps"
            )

    @property
    def person(self) -> str:
        """Name of the person, distinct between seeds."""
        return f"s{self.seed}x{self.subject:06d}"

    @property
    def digest(self) -> str:
        """Eight letters that change when anything about the clip does."""
        return hashlib.sha256(repr((_PICTURE, astuple(self))).encode()).hexdigest()[:8]


def draw_spec(index: int, seed: int, *, size: int, fps: float, seconds: float, test_share: float) -> ClipSpec:
    """The clip with this number in the set with this seed; nothing else decides."""
    block, place = divmod(index, len(BASIC_EXPRESSIONS))
    order = _generator(seed, "order", block).permutation(len(BASIC_EXPRESSIONS))
    label = BASIC_EXPRESSIONS[order[place]]
    subject = 2 * block + int(place >= _FIRST_SHARE)
    rng = _generator(seed, "spec", index)
    return ClipSpec(
        seed=seed,
        index=index,
        subject=subject,
        split=_split(seed, subject, test_share),
        label=label,
        variant=int(rng.integers(len(PROTOTYPES[label]))),
        intensity=0.0 if label == "neutral" else round(float(rng.uniform(0.7, 1.15)), 3),
        bout=draw_bout(rng, seconds),
        size=size,
        fps=fps,
        frames=max(1, round(seconds * fps)),
    )


def head_of(rig: Rig, seed: int, subject: int) -> Head:
    """The person with this number in the set with this seed."""
    return build_head(rig, draw_identity(rig, _generator(seed, "person", subject)))


def clip_camera(spec: ClipSpec) -> Camera:
    """The camera that records the clip."""
    return draw_camera(_generator(spec.seed, "camera", spec.index))


def render_clip(spec: ClipSpec, renderer: Renderer) -> UInt8[np.ndarray, "T H W 3"]:
    """The clip's frames, before the codec.

    Args:
        spec: what to show.
        renderer: of the clip's size, with the rig.

    Raises:
        ConfigError: the renderer has another size.
    """
    if (renderer.width, renderer.height) != (spec.size, spec.size):
        raise ConfigError(
            f"clip is {spec.size}x{spec.size} and the renderer {renderer.width}x{renderer.height}; make one to fit"
        )
    rng = _generator(spec.seed, "clip", spec.index)
    head = head_of(renderer.rig, spec.seed, spec.subject)
    times = (np.arange(spec.frames) + 0.5) / spec.fps
    weights, life = _performance(spec, rng, times)
    lighting = draw_lighting(rng, float(head.person.skin.mean()))
    places = _placements(head, life.head(times), rng)
    background = backdrop(rng, spec.size, spec.size)
    camera = clip_camera(spec)
    posed, folds = head.pose(weights), head.folds(weights)
    renderer.load([head])
    frames = np.empty((spec.frames, spec.size, spec.size, 3), np.uint8)
    for t in range(spec.frames):
        image = renderer.draw([(head, posed[t], folds[t], places[t], lighting)], background)
        frames[t] = shoot(image, camera, rng)
    return frames


def _performance(
    spec: ClipSpec, rng: np.random.Generator, times: Float64[np.ndarray, "T"]
) -> tuple[Float32[np.ndarray, "T K"], Life]:
    """Unit weights in time, and the face's own life."""
    # Neutral has a weak prototype too (a dimple, pressed lips); it is worn all the time and must not tell the class.
    strength = spec.intensity if spec.label != "neutral" else 1.0
    apex = apex_weights(spec.label, spec.variant, strength, _generator(spec.seed, "apex", spec.index))
    talk = float(rng.uniform(0.3, 0.9)) if rng.random() < 0.45 else 0.0
    life = Life(rng, spec.frames / spec.fps, talk)
    return life.weights(times, spec.bout.curve(times), apex), life


def _placements(head: Head, motion: Float64[np.ndarray, "T 6"], rng: np.random.Generator) -> list[Placement]:
    """Where the head is in each frame: mostly frontal, off-centre; with forehead 45-75 % of the picture's height."""
    yaw, pitch, roll = np.clip(rng.normal(0, [9, 4, 3]), [-22, -10, -8], [22, 10, 8])
    distance = float(rng.uniform(8, 22))
    fill = float(rng.uniform(0.36, 0.58))
    focal = fill * 2 * distance / head.face_height
    room = max(0.0, 0.5 * (1 - fill) - 0.06) * head.face_height / fill
    centre = np.clip(rng.normal(0, 0.35, 2), -0.8, 0.8) * room * np.array([1.0, 0.7])
    return [
        Placement(
            head=rotation(0.6 * yaw + turn[0], pitch + turn[1], 0.7 * roll + turn[2]),
            body=rotation(0.4 * yaw, 0.0, 0.3 * roll),
            shift=np.array([centre[0] + turn[3], centre[1] + turn[4], turn[5] - distance], np.float32),
            focal=focal,
        )
        for turn in motion
    ]


def _split(seed: int, subject: int, test_share: float) -> str:
    """Split of a person: golden-ratio steps spread the shares evenly over any run of people."""
    start = float(_generator(seed, "split", 0).random())
    at = (start + subject * 0.6180339887498949) % 1.0
    if at < test_share:
        return "test"
    return "val" if at < test_share + _VAL_SHARE else "train"


def _generator(seed: int, purpose: str, number: int) -> np.random.Generator:
    """Independent random numbers for each purpose and number."""
    return np.random.default_rng([seed, number, int.from_bytes(purpose.encode()[:4], "big")])
