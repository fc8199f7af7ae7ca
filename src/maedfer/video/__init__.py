"""Video in, aligned clips of faces out: pixels and NumPy only, never torch.

Reading order: :mod:`types`, :mod:`faces` (the others composed), then :mod:`decode`, :mod:`ahead`, :mod:`detect`,
:mod:`search`, :mod:`track`, :mod:`align`, :mod:`clips`.
"""

from maedfer.video.clips import PAPER_CLIP, ClipSpec
from maedfer.video.crop import crop_clip
from maedfer.video.decode import probe, read_frames, write_video
from maedfer.video.detect import CenterFace, FaceDetector, YuNet
from maedfer.video.faces import FaceClips, FaceStream
from maedfer.video.track import Tracker
from maedfer.video.types import Clip, Face, FaceWindow, Frame, TrackedFace, VideoInfo, Window

__all__ = [
    "PAPER_CLIP",
    "CenterFace",
    "Clip",
    "ClipSpec",
    "Face",
    "FaceClips",
    "FaceDetector",
    "FaceStream",
    "FaceWindow",
    "Frame",
    "TrackedFace",
    "Tracker",
    "VideoInfo",
    "Window",
    "YuNet",
    "crop_clip",
    "probe",
    "read_frames",
    "write_video",
]
