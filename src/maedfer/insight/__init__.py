"""Looking into a model and a run: reconstructions, attention over the face, a map of embeddings, learning curves."""

from maedfer.insight.attention import Attended, attend_faces, draw_attention
from maedfer.insight.clips import FaceClip, face_clips
from maedfer.insight.curves import Curves, draw_curves, read_curves
from maedfer.insight.embedding_map import EmbeddingMap, common_crop, draw_map, embedding_map, thinned, write_map
from maedfer.insight.reconstruction import Reconstructed, draw_reconstructions, reconstruct

__all__ = [
    "Attended",
    "Curves",
    "EmbeddingMap",
    "FaceClip",
    "Reconstructed",
    "attend_faces",
    "common_crop",
    "draw_attention",
    "draw_curves",
    "draw_map",
    "draw_reconstructions",
    "embedding_map",
    "face_clips",
    "read_curves",
    "reconstruct",
    "thinned",
    "write_map",
]
