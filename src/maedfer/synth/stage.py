"""People before one camera: who they are, what they do and where, and the pictures of it, a few at a time."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, UInt8

from maedfer.synth.cameras import CLEAN, Recorder
from maedfer.synth.head import Head
from maedfer.synth.render import Placement, Renderer, place_points
from maedfer.synth.rig import Rig
from maedfer.synth.scene import Lighting

__all__ = ["Actor", "face_box", "film", "shaded"]

_POSED_AT_ONCE = 16


@dataclass(frozen=True)
class Actor:
    """One face of the scene with its whole performance.

    Attributes:
        head: who.
        weights: unit weights of each frame.
        places: where, in each frame.
        lighting: how it is lit.
        layer: people of a higher layer stand before those of a lower one and hide them.
    """

    head: Head
    weights: Float32[np.ndarray, "T K"]
    places: list[Placement]
    lighting: Lighting
    layer: int = 0


def face_box(head: Head, at: Placement, width: int, height: int) -> Float64[np.ndarray, "4"]:
    """The face's box in pixels: from the middle of the forehead to the chin, from temple to temple."""
    chin = head.base[head.marks[3]]
    corners = np.array([[-0.95, 0, 0.1], [0.95, 0, 0.1], [0, 0.75, 0.4], [chin[0], chin[1], chin[2]]], np.float32)
    points = place_points(corners, at, width, height)
    return np.concatenate([points.min(0), points.max(0)])


def shaded(head: Head, at: Placement, lighting: Lighting) -> Head:
    """The head with the shadows that the key light makes it cast on itself at this place."""
    toward = (at.body @ at.head).T @ lighting.toward[0]
    return head.shadowed(np.asarray(toward, np.float64), lighting.hardness)


def film(
    actors: list[Actor], background: UInt8[np.ndarray, "H W 3"], rig: Rig, rng: np.random.Generator
) -> Iterator[UInt8[np.ndarray, "H W 3"]]:
    """The pictures, posed a few at a time so that memory does not grow with the scene.

    Raises:
        RenderError: when the first picture is asked for and a library or driver is missing.
    """
    height, width = background.shape[:2]
    layers = sorted({actor.layer for actor in actors})
    renderer = Renderer(rig, width, height)
    recorder = Recorder(CLEAN, height, width, rng)
    heads = [shaded(actor.head, actor.places[len(actor.places) // 2], actor.lighting) for actor in actors]
    try:
        renderer.load(heads)
        for start in range(0, len(actors[0].weights), _POSED_AT_ONCE):
            part = slice(start, start + _POSED_AT_ONCE)
            posed = [actor.head.pose(actor.weights[part]) for actor in actors]
            folds = [actor.head.folds(actor.weights[part]) for actor in actors]
            for t in range(len(posed[0])):
                picture = background
                # A layer after the other: the depths that the renderer compares are each face's own.
                for layer in layers:
                    faces = [
                        (heads[k], posed[k][t], folds[k][t], actor.places[start + t], actor.lighting)
                        for k, actor in enumerate(actors)
                        if actor.layer == layer
                    ]
                    picture = renderer.draw(faces, picture)
                yield recorder.shoot(picture, 0.0)
    finally:
        renderer.close()
