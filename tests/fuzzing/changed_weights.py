"""Small models on the disk, and what must come of a folder in which something was changed."""

from pathlib import Path

import torch

from maedfer.config import AutoencoderConfig, ClassifierConfig, DecoderConfig, LGIFormerConfig, ViTConfig
from maedfer.errors import WeightsError
from maedfer.models import ExpressionClassifier, MaskedAutoencoder
from maedfer.weights import CONFIG_FILE, WEIGHTS_FILE, load_model, save_model

__all__ = ["AUTOENCODER", "CLASSIFIERS", "load_changed", "one_line", "save_all"]

PLAIN = LGIFormerConfig(
    image_size=16, patch_size=4, num_frames=4, embed_dim=16, depth=1, num_heads=1, region_size=(2, 2, 4)
)
STEM = LGIFormerConfig(
    image_size=16, patch_size=4, num_frames=4, embed_dim=16, depth=1, num_heads=1, region_size=(2, 2, 4), stem_width=8
)
VIT = ViTConfig(image_size=16, patch_size=4, num_frames=4, embed_dim=16, depth=1, num_heads=1)
CLASSIFIERS = [ClassifierConfig(encoder=encoder) for encoder in (PLAIN, STEM, VIT)]
AUTOENCODER = AutoencoderConfig(encoder=STEM, decoder=DecoderConfig(embed_dim=16, depth=1, num_heads=1))


def save_all(place: Path) -> list[Path]:
    """The classifiers and the autoencoder, each in its folder."""
    saved = [save_model(ExpressionClassifier(config), place / str(n)) for n, config in enumerate(CLASSIFIERS)]
    return [*saved, save_model(MaskedAutoencoder(AUTOENCODER), place / "autoencoder")]


def one_line(error: Exception) -> bool:
    """What a terminal and a log can bear."""
    return str(error).isprintable() and len(str(error)) < 1000


def load_changed(folder: Path, text: str | None = None, data: bytes | None = None) -> None:
    """Loads a folder in which one of the files is another; what is refused is refused properly."""
    kept = {name: (folder / name).read_bytes() for name in (CONFIG_FILE, WEIGHTS_FILE)}
    try:
        if text is not None:
            (folder / CONFIG_FILE).write_bytes(text.encode("utf-8", "surrogatepass"))
        if data is not None:
            (folder / WEIGHTS_FILE).write_bytes(data)
        model = load_model(folder)
    except WeightsError as error:
        proper = one_line(error)
    else:
        proper = all(bool(torch.isfinite(value).all()) for value in model.state_dict().values())
    finally:
        for name, content in kept.items():
            (folder / name).write_bytes(content)
    assert proper
