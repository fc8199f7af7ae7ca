"""Where on the face the representative tokens look, drawn over the clip."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8

from maedfer.inference import class_probabilities
from maedfer.insight.clips import FaceClip
from maedfer.insight.sheet import Strip, draw_strips, spread
from maedfer.models import ExpressionClassifier
from maedfer.models.attention_map import representative_attention

__all__ = ["Attended", "attend_faces", "draw_attention"]

_SHARE = 0.55  # of the colour in a drawing where attention is highest


@dataclass(frozen=True)
class Attended:
    """One clip, its answer and where attention went.

    Attributes:
        clip: the clip.
        weights: share of the attention that each tubelet gets; sums to 1 over the clip.
        label: the most probable class.
        confidence: its probability.
    """

    clip: FaceClip
    weights: Float[np.ndarray, "t h w"]
    label: str
    confidence: float


def attend_faces(model: ExpressionClassifier, clips: Sequence[FaceClip], block: int = -1) -> list[Attended]:
    """The attention of the representative tokens of one block for each clip.

    Args:
        model: with an LGI-Former encoder.
        clips: of the model's shape.
        block: which block, negative from the end.

    Raises:
        ConfigError: a plain ViT, no such block, or a clip of another shape.
    """
    device = next(model.parameters()).device
    found = []
    for clip in clips:
        pixels = torch.from_numpy(clip.pixels)[None].to(device)
        weights = representative_attention(model, pixels, block)[0].float().cpu().numpy()
        chances = class_probabilities(model, clip.pixels[None], [clip.name])[0]
        best = int(chances.argmax())
        found.append(Attended(clip, weights, model.config.labels[best], float(chances[best])))
    return found


def draw_attention(found: Sequence[Attended], path: Path, frames: int = 8) -> None:
    """Draw each clip and, below it, the same pictures with the attention in colour (blue: little, red: much).

    Args:
        found: what :func:`attend_faces` gave.
        path: the PNG to appear.
        frames: pictures a row, at most; spread over the clip.

    Raises:
        ConfigError: too much to draw, or matplotlib is not installed.
        OutputError: it cannot be written.
    """
    draw_strips([(_heading(one), _strips(one, frames)) for one in found], path)


def _strips(one: Attended, frames: int) -> list[Strip]:
    pictures = one.clip.pixels.transpose(1, 2, 3, 0)
    chosen = spread(len(pictures), frames)
    tubelet = len(pictures) // len(one.weights)
    top = float(one.weights.max())
    coloured = [_coloured(pictures[i], one.weights[i // tubelet] / top) for i in chosen]
    return [Strip("clip", np.ascontiguousarray(pictures[chosen])), Strip("attention", np.stack(coloured))]


def _coloured(picture: UInt8[np.ndarray, "H W 3"], weights: Float[np.ndarray, "h w"]) -> UInt8[np.ndarray, "H W 3"]:
    large = cv2.resize(weights, (picture.shape[1], picture.shape[0]), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    heat = cv2.applyColorMap((large * 255).astype(np.uint8), cv2.COLORMAP_TURBO)[..., ::-1]
    return np.asarray(picture * (1 - _SHARE) + heat * _SHARE, dtype=np.uint8)


def _heading(one: Attended) -> str:
    truth = f", labelled {one.clip.label}" if one.clip.label else ""
    return f"{one.clip.name}: {one.label} {one.confidence:.0%}{truth}"
