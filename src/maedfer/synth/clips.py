"""One labelled clip: what it shows (:class:`ClipSpec`) and who is in it, drawn from a seed."""

import hashlib
from dataclasses import astuple, dataclass, fields, replace
from typing import Literal, TypeAlias

import numpy as np

from maedfer.emotions import BASIC_EXPRESSIONS
from maedfer.errors import ConfigError
from maedfer.synth.dynamics import PLANS, Bout, Pace, Timing, draw_bout
from maedfer.synth.head import Head, build_head
from maedfer.synth.identity import Identity, draw_identity
from maedfer.synth.prototypes import PROTOTYPES, Prototype, prototype
from maedfer.synth.rig import Rig

__all__ = [
    "ClipSpec",
    "Former",
    "Setting",
    "draw_intensity",
    "draw_spec",
    "draw_variant",
    "generator",
    "head_of",
    "in_studio",
    "person_of",
]

Setting: TypeAlias = Literal["wild", "studio"]

#: Counted up whenever the same spec would give other pixels, so that stale clips are not taken for finished ones.
_PICTURE = 3
#: Two people share seven clips: each shows different expressions only, and every seven clips are balanced.
_FIRST_SHARE = 4
_VAL_SHARE = 0.05
_SPLITS = ("train", "val", "test")
_TALK_SHARE = 0.5
_UNTIMED: tuple[Timing, Pace] = ("", "")
_STUDIO_INTENSITY = 0.8


@dataclass(frozen=True)
class Former:
    """The first expression of a clip of two, which fades while the clip's own rises.

    Attributes:
        label: one of :data:`~maedfer.emotions.BASIC_EXPRESSIONS`, not neutral.
        variant: number of the form in :data:`~maedfer.synth.prototypes.PROTOTYPES`.
        intensity: of the apex.
        bout: there from the beginning, then fading.
    """

    label: str
    variant: int
    intensity: float
    bout: Bout

    @property
    def form(self) -> Prototype:
        """The form of the expression."""
        return prototype(self.label, self.variant)


@dataclass(frozen=True)
class ClipSpec:
    """What a clip shows. All that is not named here is drawn from ``seed`` and ``index``.

    Attributes:
        seed: of the whole set.
        index: number of the clip in its set.
        subject: number of the person in the set.
        split: ``"train"``, ``"val"`` or ``"test"``, by the person.
        label: one of :data:`~maedfer.emotions.BASIC_EXPRESSIONS`.
        variant: number of the form in :data:`~maedfer.synth.prototypes.PROTOTYPES`.
        intensity: of the apex; 0 for neutral.
        bout: onset, apex and offset.
        timing: ``"onset"``, ``"offset"`` or empty, see :mod:`~maedfer.synth.dynamics`; empty for neutral.
        pace: ``"spontaneous"`` or ``"posed"``; empty for neutral.
        talk: how clearly the face speaks, 0 (silent) to 1.3.
        size: side of the square picture in pixels.
        fps: frames per second.
        frames: number of frames.
        features: how far the person's features at rest lie from the rig's, in weights of units (a deviation): low
            brows, thin lips, a short nose that are there in every clip and express nothing. 0: the rig's people as
            they are.
        setting: ``"wild"``: any light, camera, background and pose; ``"studio"``: as sets recorded in a laboratory
            are, see :func:`in_studio`.
        former: what the face shows before, see :func:`~maedfer.synth.sequence.in_sequence`; ``None``: nothing.
    """

    seed: int
    index: int
    subject: int
    split: str
    label: str
    variant: int
    intensity: float
    bout: Bout
    timing: Timing
    pace: Pace
    talk: float
    size: int
    fps: float
    frames: int
    features: float = 0.0
    setting: Setting = "wild"
    former: Former | None = None

    def __post_init__(self) -> None:
        if self.size < 32 or self.size > 2048 or self.frames < 1 or not 0 < self.fps <= 240:
            raise ConfigError(
                f"a clip of {self.frames} frames of {self.size} px at {self.fps} fps cannot be rendered; "
                "expected at least 1 frame, 32..2048 px, and up to 240 fps"
            )
        if not 0 <= self.features <= 0.5:
            raise ConfigError(f"features: expected a deviation of 0..0.5 in weights of units, got {self.features}")

    @property
    def person(self) -> str:
        """Name of the person, distinct between seeds."""
        return f"s{self.seed}x{self.subject:06d}"

    @property
    def form(self) -> Prototype:
        """The form of the expression."""
        return prototype(self.label, self.variant)

    @property
    def mix(self) -> str:
        """Name of the form, distinct between expressions."""
        return f"{self.label}/{self.form.name}"

    @property
    def held_out(self) -> bool:
        """Whether a form that it shows is absent from training and validation."""
        return self.form.held_out or (self.former is not None and self.former.form.held_out)

    @property
    def digest(self) -> str:
        """Eight letters that change when anything about the clip does."""
        facts = list(astuple(self))
        for later in reversed(fields(self)[-3:]):  # what clips once had no word for does not rename those without it
            if getattr(self, later.name) != later.default:
                break
            facts.pop()
        return hashlib.sha256(repr((_PICTURE, tuple(facts))).encode()).hexdigest()[:8]


def draw_spec(
    index: int, seed: int, *, size: int, fps: float, seconds: float, test_share: float, split: str | None = None
) -> ClipSpec:
    """The clip with this number in the set with this seed; nothing else decides.

    Every seven clips show each expression once, every 56 clips each expression in all its timings and paces. Forms that
    are held out appear in the test split only.

    Args:
        index: number of the clip.
        seed: of the set.
        size: side of the square picture in pixels.
        fps: frames per second.
        seconds: length of the clip.
        test_share: share of the people kept for testing; 5 % more are for validation.
        split: split of all people; ``None`` lets ``test_share`` decide.

    Raises:
        ConfigError: such a clip cannot be rendered, or no such split.
    """
    if split is not None and split not in _SPLITS:
        raise ConfigError(f"split {split!r}: expected one of {', '.join(_SPLITS)}")
    block, place = divmod(index, len(BASIC_EXPRESSIONS))
    number = int(generator(seed, "order", block).permutation(len(BASIC_EXPRESSIONS))[place])
    label = BASIC_EXPRESSIONS[number]
    subject = 2 * block + int(place >= _FIRST_SHARE)
    split = split or _split(seed, subject, test_share)
    rng = generator(seed, "spec", index)
    neutral = label == "neutral"
    timing, pace = _UNTIMED if neutral else _plan(seed, number, block)
    return ClipSpec(
        seed=seed,
        index=index,
        subject=subject,
        split=split,
        label=label,
        variant=draw_variant(rng, label, split),
        intensity=0.0 if neutral else draw_intensity(rng),
        bout=draw_bout(rng, seconds, timing, pace),
        timing=timing,
        pace=pace,
        talk=round(float(rng.uniform(0.3, 1.3)), 3) if rng.random() < _TALK_SHARE else 0.0,
        size=size,
        fps=fps,
        frames=max(1, round(seconds * fps)),
    )


def in_studio(spec: ClipSpec) -> ClipSpec:
    """The clip as a set recorded in a laboratory would have it (CREMA-D, RAVDESS): shown clearly and without a word.

    The intensity of expressions is 0.8 at least. :func:`~maedfer.synth.filming.render_clip` shows it from the front, in
    even light, before a grey wall, by a good camera, without glasses and headwear, and with nothing before the face.
    """
    clear = 0.0 if spec.label == "neutral" else round(max(spec.intensity, _STUDIO_INTENSITY), 3)
    former = spec.former
    if former is not None:
        former = replace(former, intensity=round(max(former.intensity, _STUDIO_INTENSITY), 3))
    return replace(spec, setting="studio", intensity=clear, talk=0.0, former=former)


def draw_intensity(rng: np.random.Generator) -> float:
    """Intensity of an apex, 0.35 to 1.1, more often strong than weak."""
    return round(0.35 + 0.75 * float(rng.beta(1.6, 1.1)), 3)


def draw_variant(rng: np.random.Generator, label: str, split: str) -> int:
    """Number of a form, drawn by its share; the held-out ones for testing only."""
    shares = np.array([form.share * (split == "test" or not form.held_out) for form in PROTOTYPES[label]])
    return int(rng.choice(len(shares), p=shares / shares.sum()))


def person_of(rig: Rig, seed: int, subject: int) -> Identity:
    """Who the person with this number in the set with this seed is."""
    return draw_identity(rig, generator(seed, "person", subject))


def head_of(rig: Rig, seed: int, subject: int) -> Head:
    """The person with this number in the set with this seed."""
    return build_head(rig, person_of(rig, seed, subject))


def _plan(seed: int, number: int, block: int) -> tuple[Timing, Pace]:
    """Timing and pace of an expression's clip in this block: each of :data:`PLANS` once in as many blocks."""
    group, place = divmod(block, len(PLANS))
    order = generator(seed, "time", len(BASIC_EXPRESSIONS) * group + number).permutation(len(PLANS))
    return PLANS[order[place]]


def _split(seed: int, subject: int, test_share: float) -> str:
    """Split of a person: golden-ratio steps spread the shares evenly over any run of people."""
    start = float(generator(seed, "split", 0).random())
    at = (start + subject * 0.6180339887498949) % 1.0
    if at < test_share:
        return "test"
    return "val" if at < test_share + _VAL_SHARE else "train"


def generator(seed: int, purpose: str, number: int) -> np.random.Generator:
    """Independent random numbers for each purpose and number."""
    return np.random.default_rng([seed, number, int.from_bytes(purpose.encode()[:4], "big")])
