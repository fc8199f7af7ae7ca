"""What a masked autoencoder makes of the hidden part of a clip, beside the truth (as in the paper's figure 5)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from einops import rearrange, repeat
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from maedfer.errors import ConfigError
from maedfer.insight.clips import FaceClip
from maedfer.insight.sheet import Strip, draw_strips, spread
from maedfer.models import MaskedAutoencoder

__all__ = ["Reconstructed", "draw_reconstructions", "reconstruct"]

_HIDDEN_GREY = 0.55  # brightness of a hidden patch in the drawing
_MOTION_GAIN = 2.0  # differences of 0..1 pictures are small; half of full scale becomes full
_EPS = 1e-6  # as in the targets


@dataclass(frozen=True)
class Reconstructed:
    """One clip as the model sees it and completes it; values 0..1, motion -1..1.

    Attributes:
        clip: the clip.
        truth: its pictures.
        hidden: True where a pixel was hidden.
        completed: hidden tubelets as predicted, visible ones as they are.
        motion: true differences of the later frames of a tubelet to its first (joint target only, else None).
        predicted_motion: the predicted ones, zero where nothing was hidden.
        loss: mean squared error over hidden tubelets in the units of the target: of frames that are appearance.
        motion_loss: the same of frames that are motion; ``None`` without a joint target.
    """

    clip: FaceClip
    truth: Float[np.ndarray, "T H W 3"]
    hidden: Bool[np.ndarray, "T H W"]
    completed: Float[np.ndarray, "T H W 3"]
    motion: Float[np.ndarray, "M H W 3"] | None
    predicted_motion: Float[np.ndarray, "M H W 3"] | None
    loss: float
    motion_loss: float | None


@torch.no_grad()
def reconstruct(model: MaskedAutoencoder, clips: Sequence[FaceClip], seed: int = 0) -> list[Reconstructed]:
    """Hide most of each clip, let the model complete it, and put the pictures back together.

    Predictions are values of tubelets normalised by their own mean and deviation, which are taken from the truth, as
    every drawing of this kind does: what is judged is the structure, not the brightness.

    Args:
        model: on the CPU or a GPU, in evaluation mode.
        clips: of the model's shape.
        seed: of the masks.

    Raises:
        ConfigError: a clip has another shape than the model's, or the motion groups reach beyond a tubelet: then a
            difference is to a picture that was normalised by other numbers, and cannot be taken back.
    """
    tubelet, group = model.config.encoder.tubelet_size, model.config.motion_group
    if model.config.target == "joint" and tubelet % group:
        raise ConfigError(
            f"reconstruct: expected motion groups that fill a tubelet of {tubelet} frames, got groups of {group}; such "
            "a model's pictures cannot be put together again"
        )
    generator = torch.Generator().manual_seed(seed)
    return [_one(model, clip, generator) for clip in clips]


def draw_reconstructions(found: Sequence[Reconstructed], path: Path, frames: int = 8) -> None:
    """Draw truth, input, completion and motion of each clip below each other.

    Below the first frame of a motion group stands the motion of the last frame of the same group.

    Args:
        found: what :func:`reconstruct` gave.
        path: the PNG to appear.
        frames: pictures a row, at most; spread over the clip.

    Raises:
        ConfigError: too much to draw, or matplotlib is not installed.
        OutputError: it cannot be written.
    """
    draw_strips([(_heading(one), _strips(one, frames)) for one in found], path)


def _one(model: MaskedAutoencoder, clip: FaceClip, generator: torch.Generator) -> Reconstructed:
    device = next(model.parameters()).device
    unit = model.normalizer.scale(torch.from_numpy(clip.pixels)[None].to(device))
    given = model(unit, generator=generator)
    encoder, joint = model.config.encoder, model.config.target == "joint" and model.config.motion_group > 1
    truth = _tubelets(unit, encoder.tubelet_size, encoder.patch_size)
    mean, deviation = truth.mean(2, keepdim=True), truth.std(2, keepdim=True) + _EPS
    index = repeat(given.mask.drop, "b m -> b m v c", v=truth.shape[2], c=3)
    values = rearrange(given.prediction.float(), "b m (v c) -> b m v c", c=3)
    step = model.config.motion_group if joint else 1
    absolute = _absolute(values, encoder.tubelet_size, step)
    completed = truth.scatter(
        1, index, (absolute * deviation.gather(1, index[:, :, :1])) + mean.gather(1, index[:, :, :1])
    )
    hidden = given.mask.hidden
    shape = encoder.token_grid, encoder.tubelet_size, encoder.patch_size
    error = (values - rearrange(given.target, "b m (v c) -> b m v c", c=3)).square()
    is_motion = torch.arange(encoder.tubelet_size, device=device) % step != 0
    frames = rearrange(error, "b m (p a) c -> p b m a c", p=encoder.tubelet_size)
    whole = _pictures(completed, *shape)
    pictures = rearrange(unit[0], "c t h w -> t h w c").cpu().numpy()
    covered = _pictures(hidden[..., None, None].expand_as(truth).float(), *shape)[..., 0] > 0.5
    return Reconstructed(
        clip=clip,
        truth=pictures,
        hidden=covered,
        completed=whole.clip(0, 1),
        motion=_motion(pictures, step) if joint else None,
        predicted_motion=_motion(whole, step) * _later(covered, step)[..., None] if joint else None,
        loss=float(frames[~is_motion].mean()),
        motion_loss=float(frames[is_motion].mean()) if joint else None,
    )


def _absolute(values: Float[Tensor, "B M V 3"], tubelet: int, group: int) -> Float[Tensor, "B M V 3"]:
    """Motion frames are differences to the first frame of their group: add it."""
    frames = rearrange(values, "b m (p a) c -> b m p a c", p=tubelet)
    number = torch.arange(tubelet, device=values.device)
    first = number - number % group
    is_motion = rearrange(number != first, "p -> p 1 1")
    frames = torch.where(is_motion, frames + frames[:, :, first], frames)
    return rearrange(frames, "b m p a c -> b m (p a) c")


def _tubelets(unit: Float[Tensor, "B 3 T H W"], tubelet: int, patch: int) -> Float[Tensor, "B N V 3"]:
    return rearrange(unit, "b c (t p) (h q) (w r) -> b (t h w) (p q r) c", p=tubelet, q=patch, r=patch)


def _pictures(
    tubelets: Float[Tensor, "1 N V 3"], grid: tuple[int, int, int], tubelet: int, patch: int
) -> Float[np.ndarray, "T H W 3"]:
    t, h, w = grid
    pattern = "1 (t h w) (p q r) c -> (t p) (h q) (w r) c"
    pictures: Tensor = rearrange(tubelets, pattern, t=t, h=h, w=w, p=tubelet, q=patch, r=patch)
    return np.asarray(pictures.cpu().numpy())


def _motion(pictures: Float[np.ndarray, "T H W 3"], group: int) -> Float[np.ndarray, "M H W 3"]:
    return np.stack([pictures[i] - pictures[i - i % group] for i in range(len(pictures)) if i % group])


def _later(covered: Bool[np.ndarray, "T H W"], group: int) -> Bool[np.ndarray, "M H W"]:
    return np.stack([covered[i] for i in range(len(covered)) if i % group])


def _strips(one: Reconstructed, frames: int) -> list[Strip]:
    grey = np.where(one.hidden[..., None], _HIDDEN_GREY, one.truth)
    strips = [("truth", one.truth), ("input", grey), ("completed", one.completed)]
    if one.motion is None or one.predicted_motion is None:
        chosen = spread(len(grey), frames)
        return [Strip(title, _bytes(pictures[chosen])) for title, pictures in strips]
    groups = len(grey) - len(one.motion)
    group, later = len(grey) // groups, len(one.motion) // groups
    chosen = spread(groups, frames)
    shown = [Strip(title, _bytes(pictures[::group][chosen])) for title, pictures in strips]
    for title, motion in (("motion", one.motion), ("predicted\nmotion", one.predicted_motion)):
        shown.append(Strip(title, _bytes(_visible(motion[later - 1 :: later][chosen]))))
    return shown


def _visible(motion: Float[np.ndarray, "M H W 3"]) -> Float[np.ndarray, "M H W 3"]:
    return 0.5 + 0.5 * _MOTION_GAIN * motion


def _bytes(pictures: Float[np.ndarray, "T H W 3"]) -> UInt8[np.ndarray, "T H W 3"]:
    return np.asarray((pictures.clip(0, 1) * 255).round(), dtype=np.uint8)


def _heading(one: Reconstructed) -> str:
    label = f" ({one.clip.label})" if one.clip.label else ""
    motion = "" if one.motion_loss is None else f", motion {one.motion_loss:.3f}"
    return f"{one.clip.name}{label}: masked loss, appearance {one.loss:.3f}{motion}"
