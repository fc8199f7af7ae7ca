"""The page of a published model: what it is, how well it does, what it is for and what it must not be used for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from maedfer.errors import ConfigError

if TYPE_CHECKING:
    from maedfer.weights import Model

__all__ = ["ModelCard"]

_USE = "Saying which expression a face in a video shows, and when, for research on faces that may be studied."
_NOT_FOR = (
    "Judging people: an expression in a video is not what somebody feels, means or will do. Not for decisions on "
    "employment, education, credit, policing, borders or health, and not for watching people who did not agree to it."
)


@dataclass(frozen=True)
class ModelCard:
    """What the weights themselves do not tell.

    Attributes:
        title: one line.
        licence: an SPDX name (``"mit"``, ``"cc-by-nc-4.0"``), or ``"other"`` with the terms in ``training_data``.
        scores: measure and value with their test set, as ``{"UAR, DFEW fold 1": "62.6 %"}``; only what was measured.
        training_data: what they were trained on, and under which terms.
        intended_use: what they are for.
        not_for: what they must not be used for.

    Raises:
        ConfigError: an empty title or licence, or a line break in them.
    """

    title: str
    licence: str
    scores: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    training_data: str = "Not stated."
    intended_use: str = _USE
    not_for: str = _NOT_FOR

    def __post_init__(self) -> None:
        for name, value in (("title", self.title), ("licence", self.licence)):
            if not value.strip() or "\n" in value:
                raise ConfigError(f"model card: expected one line of {name}, got {value!r:.60}")

    def text(self, model: "Model", sha256: str) -> str:
        """The card in Markdown with the hub's header; sizes and costs are counted from the model.

        Args:
            model: whose card it is.
            sha256: of its ``model.safetensors``.
        """
        from maedfer.models import ExpressionClassifier

        encoder = model.config.encoder
        classifier = isinstance(model, ExpressionClassifier)
        parameters = sum(parameter.numel() for parameter in model.parameters())
        header = [
            "---",
            "library_name: maedfer",
            f"license: {self.licence}",
            "tags:",
            "- facial-expression-recognition",
        ]
        header += ["pipeline_tag: video-classification", "---"] if classifier else ["---"]
        clip = f"{encoder.num_frames} frames of {encoder.image_size}x{encoder.image_size} pixels, RGB, over 2.56 s"
        facts = [
            ("Model", type(encoder).__name__.removesuffix("Config")),
            ("Parameters", f"{parameters:,}"),
            ("Clip", clip),
        ]
        if isinstance(model, ExpressionClassifier):
            facts.append(("Multiply-adds a clip", f"{_multiply_adds(model) / 1e9:.3f} G"))
            facts.append(("Labels, in index order", ", ".join(model.config.labels)))
        facts.append(("SHA-256 of model.safetensors", f"`{sha256}`"))
        scores = self.scores or {"not measured": ""}
        parts = [
            f"# {self.title}",
            _table(("", ""), facts),
            f"## Use\n\n{self.intended_use}\n\n**Not for.** {self.not_for}",
            f"## Scores\n\n{_table(('measure', 'value'), list(scores.items()))}",
            f"## Training data\n\n{self.training_data}",
            "## How to load it\n\n```python\nimport maedfer\n\nmodel = maedfer.load_model(FOLDER_OR_OWNER/NAME)\n```",
        ]
        return "\n".join(header) + "\n\n" + "\n\n".join(parts) + "\n"


def _table(head: tuple[str, str], rows: list[tuple[str, str]]) -> str:
    lines = [f"| {head[0]} | {head[1]} |", "| :-- | :-- |"]
    return "\n".join(lines + [f"| {name.replace('|', '/')} | {value.replace('|', '/')} |" for name, value in rows])


def _multiply_adds(model: "Model") -> int:
    """Of one clip, on the meta device; the fused attention of a CPU would be counted as zero, hence the backend."""
    import copy

    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    encoder = model.config.encoder
    shell = copy.deepcopy(model).to("meta").eval()
    clip = torch.empty(1, 3, encoder.num_frames, encoder.image_size, encoder.image_size, device="meta")
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH), torch.no_grad():
        shell(clip)
    return int(counter.get_total_flops()) // 2
