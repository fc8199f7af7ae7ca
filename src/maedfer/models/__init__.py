"""The networks of MAE-DFER: tensors only, no files, no environment."""

from maedfer.models.autoencoder import MaskedAutoencoder, Reconstruction
from maedfer.models.classifier import ExpressionClassifier
from maedfer.models.decoder import Decoder
from maedfer.models.encoder import LGIBlock, LGIFormer
from maedfer.models.grid import RegionGrid
from maedfer.models.linear import pack_weights
from maedfer.models.masking import TokenMask, draw_mask, mask_from_boolean
from maedfer.models.targets import reconstruction_loss, reconstruction_target
from maedfer.models.transfer import encoder_state, inflate, start_from
from maedfer.models.vit import ViTBlock, ViTEncoder, build_encoder

__all__ = [
    "Decoder",
    "ExpressionClassifier",
    "LGIBlock",
    "LGIFormer",
    "MaskedAutoencoder",
    "Reconstruction",
    "RegionGrid",
    "TokenMask",
    "ViTBlock",
    "ViTEncoder",
    "build_encoder",
    "draw_mask",
    "encoder_state",
    "inflate",
    "mask_from_boolean",
    "pack_weights",
    "reconstruction_loss",
    "reconstruction_target",
    "start_from",
]
