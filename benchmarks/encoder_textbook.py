"""LGI-Former as a textbook would write it: every product and every step of the paper, one after the other.

The other side of ``benchmarks/encoder.py``. Its parameters have the names of ours, so it takes our weights as they are;
it skips, fuses and folds nothing.
"""

import math

import torch
from torch import Tensor, nn

from maedfer.config import ClassifierConfig, LGIFormerConfig

_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet


class Attention(nn.Module):
    """Multi-head attention of ``tokens`` (B, Q, D) to ``context`` (B, K, D), scores written out."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(dim, dim, bias=False)
        self.kv = nn.Linear(dim, 2 * dim, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(dim))
        self.v_bias = nn.Parameter(torch.zeros(dim))
        self.proj = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor, context: Tensor) -> Tensor:
        """(B, Q, D)."""
        query = self._split(self.q(tokens) + self.q_bias)
        key, value = self.kv(context).chunk(2, dim=-1)
        key, value = self._split(key), self._split(value + self.v_bias)
        scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
        mixed = scores.softmax(dim=-1) @ value
        projected: Tensor = self.proj(mixed.transpose(1, 2).flatten(2))
        return projected

    def _split(self, tokens: Tensor) -> Tensor:
        return tokens.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class Mlp(nn.Module):
    """Linear, GELU, linear."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, hidden), nn.Linear(hidden, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """The same shape."""
        mapped: Tensor = self.fc2(nn.functional.gelu(self.fc1(tokens)))
        return mapped


class Block(nn.Module):
    """Local attention, global attention, exchange, MLP on (B, R, 1 + L, D)."""

    def __init__(self, config: LGIFormerConfig) -> None:
        super().__init__()
        dim, heads = config.embed_dim, config.num_heads
        for name in ("local_norm", "global_norm", "exchange_norm", "exchange_context_norm", "mlp_norm"):
            setattr(self, name, nn.LayerNorm(dim, eps=1e-6))
        for name in ("local_attention", "global_attention", "exchange_attention"):
            setattr(self, name, Attention(dim, heads))
        self.mlp = Mlp(dim, int(dim * config.mlp_ratio))

    def forward(self, tokens: Tensor) -> Tensor:
        """The same shape."""
        batch, regions = tokens.shape[:2]
        inside = tokens.flatten(0, 1)
        normed = self.local_norm(inside)
        tokens = (inside + self.local_attention(normed, normed)).unflatten(0, (batch, regions))

        representative, local = tokens[:, :, 0], tokens[:, :, 1:].flatten(1, 2)
        normed = self.global_norm(representative)
        representative = representative + self.global_attention(normed, normed)

        context = self.exchange_context_norm(representative)
        local = local + self.exchange_attention(self.exchange_norm(local), context)

        tokens = torch.cat((representative[:, :, None], local.unflatten(1, (regions, -1))), dim=2)
        result: Tensor = tokens + self.mlp(self.mlp_norm(tokens))
        return result


class Encoder(nn.Module):
    """Conv3d embedding, sine-cosine positions, representative tokens, blocks."""

    positions: Tensor

    def __init__(self, config: LGIFormerConfig) -> None:
        super().__init__()
        kernel = (config.tubelet_size, config.patch_size, config.patch_size)
        (t, h, w), (dt, dh, dw) = config.token_grid, config.region_size
        self.parts = (t // dt, dt, h // dh, dh, w // dw, dw)
        regions = (t // dt) * (h // dh) * (w // dw)
        self.embed = nn.Conv3d(3, config.embed_dim, kernel, stride=kernel)
        self.representative_tokens = nn.Parameter(torch.zeros(regions, config.embed_dim))
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.register_buffer("positions", _positions(t * h * w, config.embed_dim), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, R, 1 + L, D) of normalised pixels (B, 3, T, H, W)."""
        flat = self.embed(pixels).flatten(2).transpose(1, 2) + self.positions
        local = flat.unflatten(1, self.parts).permute(0, 1, 3, 5, 2, 4, 6, 7).flatten(4, 6).flatten(1, 3)
        representative = self.representative_tokens[None, :, None].expand(len(pixels), -1, -1, -1)
        tokens = torch.cat((representative, local), dim=2)
        for block in self.blocks:
            tokens = block(tokens)
        return tokens


class TextbookClassifier(nn.Module):
    """The paper's classifier: mean of the representative tokens, LayerNorm, linear head.

    Args:
        config: with an LGI-Former that has none of the ablations, and representative pooling.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        assert isinstance(config.encoder, LGIFormerConfig)
        assert config.pooling == "representative"
        self.encoder = Encoder(config.encoder)
        self.norm = nn.LayerNorm(config.encoder.embed_dim, eps=1e-6)
        self.head = nn.Linear(config.encoder.embed_dim, len(config.labels))
        for name, values in (("mean", _MEAN), ("deviation", _DEVIATION)):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1, 1), persistent=False)

    def forward(self, clip: Tensor) -> Tensor:
        """Logits (B, classes) of uint8 clips (B, 3, T, H, W)."""
        pixels = (clip.float() / 255 - self.mean) / self.deviation
        logits: Tensor = self.head(self.norm(self.encoder(pixels)[:, :, 0].mean(dim=1)))
        return logits


def _positions(count: int, dim: int) -> Tensor:
    column = torch.arange(dim, dtype=torch.float64)
    angle = torch.arange(count, dtype=torch.float64)[:, None] / 10000 ** (2 * (column // 2) / dim)
    return torch.where(column % 2 == 0, angle.sin(), angle.cos()).float()
