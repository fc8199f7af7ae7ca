"""Masked autoencoder: pre-training by predicting the appearance and motion of hidden tubelets (paper section 3)."""

from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from maedfer.config import AutoencoderConfig
from maedfer.models.decoder import Decoder, HiddenTokens
from maedfer.models.encoder import LGIFormer
from maedfer.models.layers import LAYER_NORM_EPS, sincos_positions
from maedfer.models.masking import TokenMask, draw_mask, mask_from_boolean, published_grouping
from maedfer.models.pixels import PixelNormalizer
from maedfer.models.stem import ConvolutionalEmbedding
from maedfer.models.targets import reconstruction_loss, reconstruction_target
from maedfer.models.vit import build_encoder

__all__ = ["MaskedAutoencoder", "Reconstruction"]


class Reconstruction(NamedTuple):
    """What one pass of the autoencoder gives.

    Attributes:
        loss: scalar.
        prediction: (B, M, P), values of the M hidden tubelets in the order (frame, row, column, channel).
        target: (B, M, P), what they should be.
        mask: which tokens were hidden.
    """

    loss: Tensor
    prediction: Tensor
    target: Tensor
    mask: TokenMask


class MaskedAutoencoder(nn.Module):
    """Encoder of the visible tokens, decoder of the hidden ones."""

    decoder_positions: Tensor

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        width = config.decoder.embed_dim
        self.normalizer = PixelNormalizer(config.encoder)
        self.encoder = build_encoder(config.encoder)
        self.encoder_norm = nn.LayerNorm(config.encoder.embed_dim, eps=LAYER_NORM_EPS)
        self.to_decoder = nn.Linear(config.encoder.embed_dim, width, bias=False)
        self.mask_token = nn.Parameter(torch.empty(1, 1, width))
        self.decoder = Decoder(config.decoder, config.encoder.tubelet_values)
        positions = sincos_positions(self.encoder.grid.num_tokens, width)
        self.register_buffer("decoder_positions", positions, persistent=False)
        self.initialise()
        if isinstance(self.encoder, LGIFormer):
            for parameter in self.encoder.last_block.unread_parameters("local"):
                parameter.requires_grad_(False)

    def initialise(self) -> None:
        """Xavier-uniform linears with biases 0; the mask token truncated normal 0.02."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        nn.init.trunc_normal_(self.mask_token, std=0.02, a=-0.02, b=0.02)
        if isinstance(self.encoder.embed, ConvolutionalEmbedding):
            self.encoder.embed.initialise()

    def forward(
        self,
        clip: UInt8[Tensor, "B 3 T H W"] | Float[Tensor, "B 3 T H W"],
        mask: TokenMask | None = None,
        generator: torch.Generator | None = None,
    ) -> Reconstruction:
        """One pass of pre-training.

        Args:
            clip: RGB, uint8 in 0..255 or floating point in 0..1.
            mask: which tokens to hide; drawn where absent.
            generator: makes the drawn mask repeatable.

        Raises:
            ConfigError: frames or pixels differ from the model's.
        """
        unit = self.normalizer.scale(clip)
        if mask is None:
            mask = self.draw_mask(clip.shape[0], generator=generator, device=clip.device)
        prediction = self.decode(self.encode(self.normalizer(unit), mask), mask)
        target = self.target(unit, mask)
        return Reconstruction(self.loss(prediction, target), prediction, target, mask)

    def draw_mask(
        self, batch: int, *, generator: torch.Generator | None = None, device: torch.device | str = "cpu"
    ) -> TokenMask:
        """A random mask at the config's ratio."""
        mask = draw_mask(self.encoder.grid, self.config.mask_ratio, batch, generator=generator, device=device)
        return self.mask(mask.hidden) if self.config.published_decoder_order else mask

    def mask(self, hidden: Tensor) -> TokenMask:
        """The mask given by booleans (B, N) in row-major order (True = hidden).

        Raises:
            ConfigError: the regions keep different numbers of tokens.
        """
        read = published_grouping if self.config.published_decoder_order else mask_from_boolean
        return read(self.encoder.grid, hidden)

    def encode(self, pixels: Float[Tensor, "B 3 T H W"], mask: TokenMask) -> Float[Tensor, "B V D"]:
        """Visible local tokens of a normalised clip, region by region."""
        latent: Tensor = self.encoder_norm(self.encoder.local_tokens(pixels, mask.keep))
        return rearrange(latent, "b r k d -> b (r k) d")

    def decode(self, latent: Float[Tensor, "B V D"], mask: TokenMask) -> Float[Tensor, "B M P"]:
        """Values of the hidden tubelets in row-major order."""
        visible = self.to_decoder(latent) + self.decoder_positions[self.visible_order(mask)]
        hidden = HiddenTokens(self.mask_token[0] + self.decoder_positions, mask.drop)
        prediction: Tensor = self.decoder(visible, hidden)
        return prediction

    def visible_order(self, mask: TokenMask) -> Int64[Tensor, "B V"]:
        """Which position each visible token gets: its own.

        The published code returns tokens region by region but counts positions in row-major order: for the released
        sizes half of the visible tokens get another one's position. ``published_decoder_order`` repeats that.
        """
        own = rearrange(mask.keep, "b r k -> b (r k)")
        return own.sort(dim=1).values if self.config.published_decoder_order else own

    def target(self, unit: Float[Tensor, "B 3 T H W"], mask: TokenMask) -> Float[Tensor, "B M P"]:
        """Targets of the hidden tubelets of a clip in 0..1."""
        encoder = self.config.encoder
        target = reconstruction_target(
            unit,
            tubelet_size=encoder.tubelet_size,
            patch_size=encoder.patch_size,
            kind=self.config.target,
            motion_group=self.config.motion_group,
        )
        clips = torch.arange(len(target), device=target.device)
        return target[rearrange(clips, "b -> b 1"), mask.drop]

    def loss(self, prediction: Float[Tensor, "B M P"], target: Float[Tensor, "B M P"]) -> Float[Tensor, ""]:
        """Mean squared error, weighted between appearance and motion where the config says so."""
        weight = self.config.motion_weight if self.config.target == "joint" else None
        return reconstruction_loss(
            prediction,
            target,
            tubelet_size=self.config.encoder.tubelet_size,
            motion_group=self.config.motion_group,
            motion_weight=weight,
        )
