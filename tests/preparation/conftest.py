"""A real face, for what cannot be drawn."""

import os
from pathlib import Path

import numpy as np
import pytest

from maedfer.video import read_frames


@pytest.fixture(scope="session")
def talking() -> list[np.ndarray]:
    """A real talking head of 4 s: whole pictures, head and shoulders."""
    folder = Path(os.environ.get("MAEDFER_REAL_CLIPS", ""))
    if not (folder / "carphone_pristine.mp4").is_file():
        pytest.skip("no real clips here; make env brings them")
    return [frame.image for frame in read_frames(folder / "carphone_pristine.mp4")]
