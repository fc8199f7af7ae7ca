"""The pixels of one labelled clip: where its face is, how it is lit and by which camera it is seen."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Float64, UInt8

from maedfer.errors import ConfigError
from maedfer.synth.cameras import STUDIO, Camera, Recorder, draw_camera
from maedfer.synth.clips import ClipSpec, generator, person_of
from maedfer.synth.head import Head, build_head
from maedfer.synth.occluders import draw_occluder
from maedfer.synth.performance import features_at_rest, performance
from maedfer.synth.render import Placement, Renderer, rotation
from maedfer.synth.rig import Rig
from maedfer.synth.scene import Lighting, backdrop, draw_lighting, studio_lighting
from maedfer.synth.stage import face_box, shaded

__all__ = ["clip_camera", "render_clip"]

_MASK_SHARE = 0.008
_STUDIO_FILL = 0.55
_STUDIO_DISTANCE = 14.0
_STUDIO_MOTION = 0.3


def clip_camera(spec: ClipSpec) -> Camera:
    """The camera that records the clip."""
    return STUDIO if spec.setting == "studio" else draw_camera(generator(spec.seed, "camera", spec.index))


def render_clip(spec: ClipSpec, renderer: Renderer, *, masks: bool = False) -> UInt8[np.ndarray, "T H W 3"]:
    """The clip's frames, before the codec.

    Args:
        spec: what to show.
        renderer: of the clip's size, with the rig.
        masks: let a few people (0.8 %) wear a medical mask, which hides the mouth and much of the expression.

    Raises:
        ConfigError: the renderer has another size.
    """
    if (renderer.width, renderer.height) != (spec.size, spec.size):
        raise ConfigError(
            f"clip is {spec.size}x{spec.size} and the renderer {renderer.width}x{renderer.height}; make one to fit"
        )
    rng = generator(spec.seed, "clip", spec.index)
    head = _head(renderer.rig, spec, masked=rng.random() < _MASK_SHARE and masks)
    times = (np.arange(spec.frames) + 0.5) / spec.fps
    weights, life = performance(spec, times)
    scene = (_in_studio if spec.setting == "studio" else _anywhere)(head, life.head(times), spec.size, rng)
    recorder = Recorder(clip_camera(spec), spec.size, spec.size, rng)
    images = _drawn(scene, weights + features_at_rest(spec), scene.head.folds(weights), renderer)
    boxes = np.stack([face_box(scene.head, at, spec.size, spec.size) for at in scene.places])
    if spec.setting == "wild":
        occluder = draw_occluder(rng, boxes, _tone(images[0], boxes[0]), times)
        images = images if occluder is None else [occluder.over(image, t) for t, image in enumerate(images)]
    return np.stack([recorder.shoot(image, float(at_s)) for image, at_s in zip(images, times, strict=True)])


@dataclass(frozen=True)
class _Scene:
    """Who is where in each frame, in which light and before what."""

    head: Head
    places: list[Placement]
    lighting: Lighting
    background: UInt8[np.ndarray, "H W 3"]


def _anywhere(head: Head, motion: Float64[np.ndarray, "T 6"], size: int, rng: np.random.Generator) -> _Scene:
    """Any light, pose and background."""
    lighting = draw_lighting(rng, float(head.person.skin.mean()))
    places = _placements(head, motion, rng)
    background = backdrop(rng, size, size)
    return _Scene(shaded(head, places[len(places) // 2], lighting), places, lighting, background)


def _in_studio(head: Head, motion: Float64[np.ndarray, "T 6"], size: int, rng: np.random.Generator) -> _Scene:
    """From the front, in even light, before a grey wall; people look nearly straight and hardly move."""
    lighting = studio_lighting(float(head.person.skin.mean()))
    yaw, pitch, roll = np.clip(rng.normal(0, 2, 3), -5, 5)
    still = motion * _STUDIO_MOTION
    focal = 2 * _STUDIO_FILL * _STUDIO_DISTANCE / head.face_height
    places = [_placed(turn, (yaw, pitch, roll), (0.0, 0.0), _STUDIO_DISTANCE, focal) for turn in still]
    background = np.full((size, size, 3), 128, np.uint8)
    return _Scene(shaded(head, places[len(places) // 2], lighting), places, lighting, background)


def _drawn(
    scene: _Scene, weights: Float32[np.ndarray, "T K"], folds: Float32[np.ndarray, "T 8"], renderer: Renderer
) -> list[UInt8[np.ndarray, "H W 3"]]:
    """The pictures before anything is held before the face, and before the camera."""
    renderer.load([scene.head])
    posed = scene.head.pose(weights)
    return [
        renderer.draw([(scene.head, vertices, fold, at, scene.lighting)], scene.background)
        for vertices, fold, at in zip(posed, folds, scene.places, strict=True)
    ]


def _head(rig: Rig, spec: ClipSpec, *, masked: bool) -> Head:
    """Who is seen; without glasses and headwear in a studio."""
    person = person_of(rig, spec.seed, spec.subject)
    if spec.setting == "studio":
        person = replace(person, glasses=None, headwear=replace(person.headwear, kind="none"))
    return build_head(rig, person, masked=masked)


def _tone(image: UInt8[np.ndarray, "H W 3"], box: Float64[np.ndarray, "4"]) -> tuple[float, float, float]:
    """Mean colour of the middle of the face."""
    x0, y0, x1, y1 = box
    left, right = int(0.6 * x0 + 0.4 * x1), int(0.4 * x0 + 0.6 * x1) + 1
    part = image[max(0, int(0.6 * y0 + 0.4 * y1)) : int(0.4 * y0 + 0.6 * y1) + 1, max(0, left) : right]
    red, green, blue = (part.reshape(-1, 3).mean(0) if part.size else np.array([150.0, 110.0, 90.0])).tolist()
    return float(red), float(green), float(blue)


def _placements(head: Head, motion: Float64[np.ndarray, "T 6"], rng: np.random.Generator) -> list[Placement]:
    """Where the head is in each frame: mostly frontal, off-centre; with forehead 45-75 % of the picture's height.

    The nearest cameras are an arm's length away, as those of laptops are, and make noses large.
    """
    yaw, pitch, roll = np.clip(rng.normal(0, [13, 6, 5]), [-35, -16, -14], [35, 16, 14])
    distance = float(np.exp(rng.uniform(np.log(7.0), np.log(26.0))))
    fill = float(rng.uniform(0.36, 0.6))
    focal = fill * 2 * distance / head.face_height
    room = max(0.0, 0.5 * (1 - fill) - 0.06) * head.face_height / fill
    centre = np.clip(rng.normal(0, 0.35, 2), -0.8, 0.8) * room * np.array([1.0, 0.7])
    return [_placed(turn, (yaw, pitch, roll), (centre[0], centre[1]), distance, focal) for turn in motion]


def _placed(
    turn: Float64[np.ndarray, "6"],
    pose: tuple[float, float, float],
    centre: tuple[float, float],
    distance: float,
    focal: float,
) -> Placement:
    """Where a head with this pose is in a frame, after its own motion."""
    yaw, pitch, roll = pose
    return Placement(
        head=rotation(0.6 * yaw + turn[0], pitch + turn[1], 0.7 * roll + turn[2]),
        body=rotation(0.4 * yaw, 0.0, 0.3 * roll),
        shift=np.array([centre[0] + turn[3], centre[1] + turn[4], turn[5] - distance], np.float32),
        focal=focal,
    )
