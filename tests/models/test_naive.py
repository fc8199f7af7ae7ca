"""The models against a second, naive implementation: loops over regions and heads in float64, other sizes than the
reference tensors'."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from maedfer.config import AutoencoderConfig, ClassifierConfig, DecoderConfig, LGIFormerConfig, ViTConfig
from maedfer.models import ExpressionClassifier, MaskedAutoencoder

SMALL = {"patch_size": 4, "embed_dim": 16, "depth": 2, "num_heads": 4}
ENCODERS = {
    "tubelet 4, wide regions": LGIFormerConfig(
        image_size=16, num_frames=8, tubelet_size=4, region_size=(1, 2, 4), **SMALL
    ),
    "tubelet 1, narrow regions": LGIFormerConfig(
        image_size=16, num_frames=3, tubelet_size=1, region_size=(3, 2, 1), **SMALL
    ),
    "one region": LGIFormerConfig(image_size=8, num_frames=4, region_size=(2, 2, 2), mlp_ratio=2.0, **SMALL),
    "24 pixels, regions in all directions": LGIFormerConfig(
        image_size=24, num_frames=8, region_size=(2, 3, 2), mlp_ratio=1.5, **SMALL
    ),
    "local step of the representative token": LGIFormerConfig(
        image_size=16, num_frames=4, region_size=(1, 2, 2), local_step="representative", **SMALL
    ),
    "self exchange, shared": LGIFormerConfig(
        image_size=16, num_frames=4, region_size=(1, 4, 2), exchange_step="self", share_local_exchange=True, **SMALL
    ),
    "cross exchange, shared, no global step": LGIFormerConfig(
        image_size=16, num_frames=4, region_size=(2, 4, 2), global_step=False, share_local_exchange=True, **SMALL
    ),
    "no exchange": LGIFormerConfig(image_size=16, num_frames=4, region_size=(2, 4, 2), exchange_step="none", **SMALL),
}


class Naive:
    """Local and representative tokens of single clips, token by token."""

    def __init__(self, config: LGIFormerConfig, state: dict[str, Tensor]) -> None:
        self.config = config
        self.state = {name: tensor.double() for name, tensor in state.items()}

    def norm(self, name: str, x: Tensor) -> Tensor:
        mean = x.mean(-1, keepdim=True)
        deviation = ((x - mean) ** 2).mean(-1, keepdim=True).add(1e-6).sqrt()
        return (x - mean) / deviation * self.state[f"{name}.weight"] + self.state[f"{name}.bias"]

    def attention(self, name: str, query: Tensor, context: Tensor) -> Tensor:
        get = {key: self.state[f"{name}.{key}"] for key in ("q.weight", "kv.weight", "q_bias", "v_bias")}
        dim, heads = self.config.embed_dim, self.config.num_heads
        width = dim // heads
        q = query @ get["q.weight"].T + get["q_bias"]
        k = context @ get["kv.weight"][:dim].T
        v = context @ get["kv.weight"][dim:].T + get["v_bias"]
        parts = []
        for head in range(heads):
            columns = slice(head * width, (head + 1) * width)
            scores = torch.softmax(q[:, columns] @ k[:, columns].T / math.sqrt(width), dim=-1)
            parts.append(scores @ v[:, columns])
        return torch.cat(parts, dim=-1) @ self.state[f"{name}.proj.weight"].T + self.state[f"{name}.proj.bias"]

    def mlp(self, name: str, x: Tensor) -> Tensor:
        hidden = x @ self.state[f"{name}.fc1.weight"].T + self.state[f"{name}.fc1.bias"]
        hidden = hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2)))
        return hidden @ self.state[f"{name}.fc2.weight"].T + self.state[f"{name}.fc2.bias"]

    def regions(self) -> list[list[int]]:
        _, h, w = self.config.token_grid
        steps = [
            range(0, whole, part) for whole, part in zip(self.config.token_grid, self.config.region_size, strict=True)
        ]
        dt, dh, dw = self.config.region_size
        return [
            [(a + i) * h * w + (b + j) * w + (c + k) for i in range(dt) for j in range(dh) for k in range(dw)]
            for a in steps[0]
            for b in steps[1]
            for c in steps[2]
        ]

    def tokens(self, clip: Tensor) -> Tensor:
        weight, bias = self.state["encoder.embed.weight"], self.state["encoder.embed.bias"]
        tokens = F.conv3d(clip[None].double(), weight, bias, stride=weight.shape[2:])[0].flatten(1).T
        dim = self.config.embed_dim
        table = [
            [(math.sin, math.cos)[j % 2](p / 10000 ** (2 * (j // 2) / dim)) for j in range(dim)]
            for p in range(len(tokens))
        ]
        return tokens + torch.tensor(table, dtype=torch.float64)

    def __call__(self, clip: Tensor, visible: set[int] | None = None) -> tuple[list[Tensor], list[Tensor]]:
        tokens = self.tokens(clip)
        chosen = [[p for p in region if visible is None or p in visible] for region in self.regions()]
        local = [tokens[index] for index in chosen]
        representative = [row[None] for row in self.state["encoder.representative_tokens"]]
        for number in range(self.config.depth):
            local, representative = self.block(f"encoder.blocks.{number}", local, representative)
        return local, representative

    def block(self, name: str, local: list[Tensor], rep: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        config, count = self.config, range(len(local))
        if config.local_step == "self":
            both = [torch.cat((rep[r], local[r])) for r in count]
            normed = [self.norm(f"{name}.local_norm", x) for x in both]
            both = [both[r] + self.attention(f"{name}.local_attention", normed[r], normed[r]) for r in count]
            local, rep = [x[1:] for x in both], [x[:1] for x in both]
        else:
            queries = [self.norm(f"{name}.local_norm", x) for x in rep]
            contexts = [self.norm(f"{name}.local_context_norm", x) for x in local]
            rep = [rep[r] + self.attention(f"{name}.local_attention", queries[r], contexts[r]) for r in count]
        if config.global_step:
            table = torch.cat(rep)
            normed_table = self.norm(f"{name}.global_norm", table)
            rep = list((table + self.attention(f"{name}.global_attention", normed_table, normed_table)).split(1))
        shared = "local" if config.share_local_exchange else "exchange"
        attention = f"{name}.{shared}_attention"
        if config.exchange_step == "cross":
            context = self.norm(f"{name}.exchange_context_norm", torch.cat(rep))
            local = [x + self.attention(attention, self.norm(f"{name}.exchange_norm", x), context) for x in local]
        elif config.exchange_step == "self":
            both = [torch.cat((rep[r], local[r])) for r in count]
            normed = [self.norm(f"{name}.exchange_norm", x) for x in both]
            both = [both[r] + self.attention(attention, normed[r], normed[r]) for r in count]
            local, rep = [x[1:] for x in both], [x[:1] for x in both]
        feed = [[x + self.mlp(f"{name}.mlp", self.norm(f"{name}.mlp_norm", x)) for x in part] for part in (local, rep)]
        return feed[0], feed[1]


def shake(model: torch.nn.Module) -> dict[str, Tensor]:
    """Random weights and biases everywhere, so that no term is silent; the state dict."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(1.0 if "norm" in name and name.endswith("weight") else 0.0, 0.2)
    return model.state_dict()


def pixels(config: LGIFormerConfig | ViTConfig, batch: int = 2) -> Tensor:
    return torch.randn(batch, 3, config.num_frames, config.image_size, config.image_size)


@pytest.mark.parametrize("name", ENCODERS)
def test_classifier_is_the_naive_one(name: str) -> None:
    config = ENCODERS[name]
    models = {
        pooling: ExpressionClassifier(ClassifierConfig(encoder=config, pooling=pooling)).eval()
        for pooling in ("representative", "local", "all")
    }
    state = shake(models["all"])
    naive = Naive(config, state)
    clips = pixels(config, batch=1)
    local, representative = naive(clips[0])
    for pooling, model in models.items():
        model.load_state_dict(state)
        logits = model.head(model.features_of_normalised(clips))[0]
        chosen = {"representative": representative, "local": local, "all": local + representative}[pooling]
        feature = naive.norm("norm", torch.cat(chosen).mean(dim=0))
        expected = feature @ naive.state["head.weight"].T + naive.state["head.bias"]
        torch.testing.assert_close(logits.double(), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ENCODERS)
def test_latent_of_visible_tokens_is_the_naive_one(name: str) -> None:
    config = ENCODERS[name]
    decoder = DecoderConfig(embed_dim=8, depth=1, num_heads=2)
    model = MaskedAutoencoder(AutoencoderConfig(encoder=config, decoder=decoder, mask_ratio=0.5)).eval()
    naive = Naive(config, shake(model))
    clips = pixels(config)
    mask = model.draw_mask(2)
    latent = model.encode(clips, mask)
    for clip, keep, ours in zip(clips, mask.keep, latent, strict=True):
        local, _ = naive(clip, set(keep.flatten().tolist()))
        torch.testing.assert_close(ours.double(), naive.norm("encoder_norm", torch.cat(local)), atol=1e-5, rtol=1e-4)


def test_vit_is_torch_own_transformer() -> None:
    config = ViTConfig(image_size=12, num_frames=4, **SMALL)
    model = ExpressionClassifier(ClassifierConfig(encoder=config)).eval()
    state = shake(model)
    theirs = torch.nn.TransformerEncoderLayer(16, 4, 64, 0.0, F.gelu, 1e-6, batch_first=True, norm_first=True).eval()
    clips = pixels(config)
    tokens = model.encoder.embed(clips)[:, 0]
    for number in range(2):
        block = {
            name.removeprefix(f"encoder.blocks.{number}."): tensor
            for name, tensor in state.items()
            if name.startswith(f"encoder.blocks.{number}.")
        }
        bias = torch.cat((block["attention.q_bias"], torch.zeros(16), block["attention.v_bias"]))
        pairs = {"self_attn.in_proj_weight": block["attention.qkv.weight"], "self_attn.in_proj_bias": bias}
        names = {"self_attn.out_proj": "attention.proj", "linear1": "mlp.fc1", "linear2": "mlp.fc2"}
        names |= {"norm1": "attention_norm", "norm2": "mlp_norm"}
        for part in ("weight", "bias"):
            pairs |= {f"{theirs_name}.{part}": block[f"{ours}.{part}"] for theirs_name, ours in names.items()}
        theirs.load_state_dict(pairs)
        tokens = theirs(tokens)
    torch.testing.assert_close(model.encoder(clips)[:, 0], tokens, atol=1e-5, rtol=1e-4)
