"""Small whole files of weights, which the fuzzer breaks: ours, an official checkpoint, and settings."""

import argparse
from pathlib import Path

import torch

from maedfer.config import ClassifierConfig, LGIFormerConfig
from maedfer.models import ExpressionClassifier
from maedfer.weights import CONFIG_FILE, WEIGHTS_FILE, load_model, save_model, write_official

__all__ = ["load_broken", "make_weight_bases"]

_PLAIN = LGIFormerConfig(
    image_size=16, patch_size=4, num_frames=4, embed_dim=16, depth=1, num_heads=1, region_size=(2, 2, 4)
)
_STEM = LGIFormerConfig(
    image_size=16, patch_size=4, num_frames=4, embed_dim=16, depth=1, num_heads=1, region_size=(2, 2, 4), stem_width=8
)
_OFFICIAL = LGIFormerConfig(embed_dim=64, num_heads=1, depth=1)


def make_weight_bases(folder: Path) -> dict[str, Path]:
    """Every base by its name: weights of two models, their settings, and an official checkpoint."""
    made = {}
    for name, encoder in (("plain", _PLAIN), ("stem", _STEM)):
        place = save_model(ExpressionClassifier(ClassifierConfig(encoder=encoder)), folder / name)
        made |= {f"{name}.safetensors": place / WEIGHTS_FILE, f"{name}.json": place / CONFIG_FILE}
    official = folder / "official.pth"
    write_official(ExpressionClassifier(ClassifierConfig(encoder=_OFFICIAL)), official)
    content = torch.load(official, weights_only=True)
    torch.save(content | {"args": argparse.Namespace(lr=1e-3, window_size=(8, 10, 10)), "epoch": 3}, official)
    return made | {"official.pth": official}


def load_broken(broken: Path, whole: Path) -> object:
    """A model from a broken file; a broken half of a folder gets the ``whole`` folder's other half beside it."""
    if broken.suffix == ".pth":
        return load_model(broken)
    for name in (WEIGHTS_FILE, CONFIG_FILE):
        source = broken if Path(name).suffix == broken.suffix else whole.parent / name
        (broken.parent / name).write_bytes(source.read_bytes())
    return load_model(broken.parent)
