"""Expression classifier: encoder, mean of tokens, LayerNorm, linear head (paper section 3.4); our head by places."""

from typing import Literal

import torch
from einops import rearrange, reduce
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from maedfer.config import ClassifierConfig
from maedfer.models.encoder import LGIFormer
from maedfer.models.layers import LAYER_NORM_EPS
from maedfer.models.pixels import PixelNormalizer
from maedfer.models.stem import ConvolutionalEmbedding
from maedfer.models.vit import build_encoder

__all__ = ["ExpressionClassifier"]

_INIT_DEVIATION = 0.02
_HEAD_SCALE = 0.001


class ExpressionClassifier(nn.Module):
    """Which expression does a clip show?

    With representative pooling nothing reads the exchange step of the last block: its parameters exist, as in the
    published model, but are frozen and its work is skipped.
    """

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        self.config = config
        self.normalizer = PixelNormalizer(config.encoder)
        self.encoder = build_encoder(config.encoder)
        self.norm = nn.LayerNorm(config.encoder.embed_dim, eps=LAYER_NORM_EPS)
        self.head = nn.Linear(config.head_width, len(config.labels))
        self.initialise()
        if isinstance(self.encoder, LGIFormer) and not config.encoder.depth:
            self.encoder.representative_tokens.requires_grad_(False)
        elif config.pooling != "all" and isinstance(self.encoder, LGIFormer):
            read: Literal["representative", "local"] = "local" if config.pooling == "places" else config.pooling
            for parameter in self.encoder.last_block.unread_parameters(read):
                parameter.requires_grad_(False)

    def initialise(self) -> None:
        """Truncated normal 0.02 for every linear, biases 0, then the head times 0.001; a stem has a way of its own."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=_INIT_DEVIATION)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        self.head.weight.data.mul_(_HEAD_SCALE)
        if isinstance(self.encoder.embed, ConvolutionalEmbedding):
            self.encoder.embed.initialise()

    def forward(self, clip: UInt8[Tensor, "B 3 T H W"] | Float[Tensor, "B 3 T H W"]) -> Float[Tensor, "B classes"]:
        """Logits of clips in RGB, uint8 in 0..255 or floating point in 0..1.

        Raises:
            ConfigError: frames or pixels differ from the model's.
        """
        return self.logits_of_normalised(self.normalizer(self.normalizer.scale(clip)))

    def logits_of_normalised(self, pixels: Float[Tensor, "B 3 T H W"]) -> Float[Tensor, "B classes"]:
        """The same for pixels that are normalised already."""
        if self.config.pooling == "places":
            return self.logits_of_places(self.places(pixels))
        return self.logits_of_vectors(self.features_of_normalised(pixels))

    def features(self, clip: UInt8[Tensor, "B 3 T H W"] | Float[Tensor, "B 3 T H W"]) -> Float[Tensor, "B D"]:
        """Embedding of each clip: the output of the last LayerNorm; with pooling by places, its mean over them.

        Raises:
            ConfigError: frames or pixels differ from the model's.
        """
        return self.features_of_normalised(self.normalizer(self.normalizer.scale(clip)))

    def features_of_normalised(self, pixels: Float[Tensor, "B 3 T H W"]) -> Float[Tensor, "B D"]:
        """The same for pixels that are normalised already."""
        if self.config.pooling == "places":
            return reduce(self.places(pixels), "b t h w d -> b d", "mean")
        features: Tensor = self.norm(self.pool(pixels))
        return features

    def places(self, pixels: Float[Tensor, "B 3 T H W"]) -> Float[Tensor, "B t h w D"]:
        """Local tokens of normalised pixels at their places, each through the last LayerNorm."""
        tokens = self.encoder.grid.ungroup(self.encoder.local_tokens(pixels))
        time, rows, columns = self.encoder.grid.tokens
        placed: Tensor = rearrange(self.norm(tokens), "b (t h w) d -> b t h w d", t=time, h=rows, w=columns)
        return placed

    def logits_of_places(self, places: Float[Tensor, "B t h w D"]) -> Float[Tensor, "B classes"]:
        """The head by places: a mean over time, then the mean of what each place says with weights of its own."""
        return self.logits_of_vectors(self.side_by_side(reduce(places, "b t h w d -> b 1 h w d", "mean"))[:, 0])

    def logits_of_vectors(self, vectors: Float[Tensor, "B W"]) -> Float[Tensor, "B classes"]:
        """The head, in float32: it costs nothing, and autocast would leave three digits of a logit."""
        device = vectors.device.type
        if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
            with torch.autocast(device, enabled=False):
                return self.logits_of_vectors(vectors.to(self.head.weight.dtype))
        logits: Tensor = self.head(vectors)
        return logits

    @staticmethod
    def side_by_side(places: Float[Tensor, "B t h w D"]) -> Float[Tensor, "B t W"]:
        """Places as one vector each time, divided by their number.

        A head on it takes a mean of places, not a sum: with a sum of 64 an update of Adam moves the logits 64 times as
        far as with one token, and the first epochs are lost (seen: the loss rose).
        """
        return rearrange(places, "b t h w d -> b t (h w d)") / (places.shape[2] * places.shape[3])

    def pool(self, pixels: Float[Tensor, "B 3 T H W"]) -> Float[Tensor, "B D"]:
        """Mean of the tokens that the config names."""
        tokens: Tensor
        if isinstance(self.encoder, LGIFormer) and self.config.pooling == "representative":
            tokens = rearrange(self.encoder.representatives(pixels), "b r d -> b r 1 d")
        elif isinstance(self.encoder, LGIFormer) and self.config.pooling == "all":
            tokens = self.encoder(pixels)
        else:
            tokens = self.encoder.local_tokens(pixels)
        mean: Tensor = reduce(tokens, "b r s d -> b d", "mean")
        return mean
