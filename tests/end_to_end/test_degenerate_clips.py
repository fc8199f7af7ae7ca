"""Clips in which there is nothing to see: the default model still gives probabilities, and no face is made up."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from maedfer.hub import from_pretrained
from maedfer.models import ExpressionClassifier
from maedfer.predict import Predictor
from maedfer.video.encode import write_video

MODEL = from_pretrained("default").eval()
FRAMES, SIDE = MODEL.config.encoder.num_frames, MODEL.config.encoder.image_size


@torch.no_grad()
def probabilities(clips: torch.Tensor, model: ExpressionClassifier = MODEL) -> torch.Tensor:
    return model(clips).softmax(1)


def assert_probabilities(found: torch.Tensor) -> None:
    assert torch.isfinite(found).all()
    assert (found >= 0).all()
    torch.testing.assert_close(found.sum(1), torch.ones(len(found)))


@settings(max_examples=12, deadline=None)
@given(st.tuples(*[st.integers(0, 255)] * 3), st.tuples(*[st.integers(0, 255)] * 3))
def test_single_colours_and_flashes_between_two_have_probabilities(
    one: tuple[int, ...], other: tuple[int, ...]
) -> None:
    clips = torch.tensor([one, other], dtype=torch.uint8)[:, :, None, None, None].repeat(1, 1, FRAMES, SIDE, SIDE)
    flashing = clips[:1].clone()
    flashing[:, :, 1::2] = clips[1:, :, 1::2]
    assert_probabilities(probabilities(torch.cat([clips, flashing])))


@pytest.mark.parametrize("value", [0, 255])
def test_the_darkest_and_the_brightest_clip_as_bytes_and_as_floats(value: int) -> None:
    clip = torch.full((1, 3, FRAMES, SIDE, SIDE), value, dtype=torch.uint8)
    found = probabilities(clip)
    assert_probabilities(found)
    torch.testing.assert_close(probabilities(clip / 255), found)


def test_noise_and_hard_edges_have_probabilities() -> None:
    noise = torch.randint(0, 2, (2, 3, FRAMES, SIDE, SIDE), dtype=torch.uint8) * 255
    stripes = (torch.arange(SIDE) % 2 * 255).to(torch.uint8).expand(1, 3, FRAMES, SIDE, SIDE)
    assert_probabilities(probabilities(torch.cat([noise, stripes])))


@pytest.mark.parametrize("frames", [1, 2, 40])
@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_video_of_one_colour_has_no_face_and_no_answer(frames: int, value: int, tmp_path: Path) -> None:
    path = tmp_path / "plain.mp4"
    write_video(path, [np.full((96, 128, 3), value, np.uint8)] * frames, 12.5)
    prediction = Predictor(MODEL, device="cpu").predict(path)
    assert not prediction.windows
    assert not prediction.tracks()
    assert prediction.unseen
