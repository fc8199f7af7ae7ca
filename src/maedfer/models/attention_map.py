"""Where the representative tokens look: the attention weights of one LGI block as a map over the token grid."""

import math

import torch
from einops import rearrange, reduce
from jaxtyping import Float, UInt8
from torch import Tensor

from maedfer.errors import ConfigError
from maedfer.models.classifier import ExpressionClassifier
from maedfer.models.encoder import LGIBlock, LGIFormer
from maedfer.models.layers import Attention

__all__ = ["representative_attention"]


@torch.no_grad()
def representative_attention(
    model: ExpressionClassifier, clip: UInt8[Tensor, "B 3 T H W"] | Float[Tensor, "B 3 T H W"], block: int = -1
) -> Float[Tensor, "B t h w"]:
    """How much each tubelet is attended to by the representative tokens in one block (paper section 3.2, figure 3).

    Inside a region: the share of the representative token's local attention that each local token gets, mean of heads.
    Between regions: each region counts as much as the representative tokens attend to it in global attention, half of
    which is the token itself (the residual branch; Abnar and Zuidema 2020 treat attention so). One block is shown, not
    the flow through all; attention tells what was read, not what decided.

    Args:
        model: with an LGI-Former encoder.
        clip: RGB, uint8 in 0..255 or floating point in 0..1.
        block: which block, negative from the end.

    Returns:
        Weights that sum to 1 for each clip.

    Raises:
        ConfigError: another encoder, no such block, or a clip of another shape.
    """
    encoder = model.encoder
    if not isinstance(encoder, LGIFormer):
        raise ConfigError("attention map: expected an LGI-Former, got a plain ViT, which has no representative tokens")
    if not -len(encoder.blocks) <= block < len(encoder.blocks):
        raise ConfigError(f"attention map: expected a block from 0 to {len(encoder.blocks) - 1}, got {block}")
    tokens = encoder.tokens(model.normalizer(model.normalizer.scale(clip)))
    number = block % len(encoder.blocks)
    for before in encoder.blocks[:number]:
        tokens = before(tokens)
    chosen = encoder.blocks[number]
    assert isinstance(chosen, LGIBlock)
    weights = _local_share(chosen, tokens) * rearrange(_region_share(chosen, tokens), "b r -> b r 1")
    grid = encoder.grid
    flat = grid.ungroup(weights / weights.sum(dim=(1, 2), keepdim=True))
    t, h, w = grid.tokens
    return rearrange(flat, "b (t h w) -> b t h w", t=t, h=h, w=w)


def _local_share(block: LGIBlock, tokens: Float[Tensor, "B R S D"]) -> Float[Tensor, "B R L"]:
    """Each region's local tokens in the attention of its representative token; sums to 1 in a region."""
    regions = rearrange(tokens, "b r s d -> (b r) s d")
    if block.local_context_norm is not None:
        query, context = block.local_norm(regions[:, :1]), block.local_context_norm(regions[:, 1:])
    else:
        context = block.local_norm(regions)
        query = context[:, :1]
    scores = _weights(block.local_attention, query, context)[:, 0]
    local = scores[:, -(regions.shape[1] - 1) :]
    return rearrange(local / local.sum(dim=1, keepdim=True), "(b r) l -> b r l", b=len(tokens))


def _region_share(block: LGIBlock, tokens: Float[Tensor, "B R S D"]) -> Float[Tensor, "B R"]:
    """Each region in the global attention of all representative tokens; sums to 1."""
    regions = tokens.shape[1]
    own = torch.full((len(tokens), regions), 1 / regions, device=tokens.device)
    if block.global_norm is None or block.global_attention is None:
        return own
    representative = block.global_norm(block.local_representative(tokens))
    read = reduce(_weights(block.global_attention, representative, representative), "b q k -> b k", "mean")
    return (own + read) / 2


def _weights(
    attention: Attention, query: Float[Tensor, "B Q D"], context: Float[Tensor, "B K D"]
) -> Float[Tensor, "B Q K"]:
    """Softmax weights of an attention, mean of its heads."""
    heads = attention.num_heads
    q = rearrange(attention.q(query) + attention.q_bias, "b q (n d) -> b n q d", n=heads)
    k = rearrange(attention.kv(context), "b k (two n d) -> two b n k d", two=2, n=heads)[0]
    scores = (q / math.sqrt(q.shape[-1])) @ k.transpose(-2, -1)
    mean: Tensor = reduce(scores.softmax(dim=-1), "b n q k -> b q k", "mean")
    return mean
