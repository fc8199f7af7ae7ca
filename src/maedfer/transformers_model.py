"""Our classifier as a model of the library transformers (extra ``hf``): for its ``pipeline`` and its ``Trainer``.

Importing this module registers it::

    import maedfer.transformers_model
    from transformers import AutoModelForVideoClassification, pipeline

    model = AutoModelForVideoClassification.from_pretrained("folder")  # of save_model, or of maedfer.hub.write_folder
    judge = pipeline("video-classification", model="folder")  # of write_folder, which adds the processor's settings

The same folder is read and written by both libraries: weights have the same names, and ``config.json`` holds what both
ask for. The logits are those of :class:`~maedfer.models.ExpressionClassifier`, before its temperature.
"""

import json
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, Int64, Shaped, UInt8
from torch import Tensor, nn

from maedfer.config import ClassifierConfig
from maedfer.config_json import from_json, to_json
from maedfer.errors import ConfigError
from maedfer.models import ExpressionClassifier

try:
    from transformers import AutoConfig, AutoImageProcessor, AutoModelForVideoClassification
    from transformers.configuration_utils import PreTrainedConfig
    from transformers.feature_extraction_utils import BatchFeature
    from transformers.image_processing_utils import BaseImageProcessor
    from transformers.modeling_outputs import ImageClassifierOutput
    from transformers.modeling_utils import PreTrainedModel
except ImportError as error:
    raise ConfigError(
        f"maedfer.transformers_model needs transformers >= 5 ({error}); run: pip install 'maedfer[hf]'"
    ) from error

__all__ = ["MaedferConfig", "MaedferForVideoClassification", "MaedferImageProcessor", "from_maedfer", "to_maedfer"]


class MaedferConfig(PreTrainedConfig):  # type: ignore[no-untyped-call]
    """The settings of a classifier as transformers keeps them: the fields of ``config.json``, labels as ``id2label``.

    Attributes:
        type: name of our settings' class.
        encoder: the encoder's settings as in ``config.json``; ``None`` for the released model's.
        labels: class names in index order, for our loader; the library's own ``id2label`` decides.
        pooling: tokens whose mean is classified.
        temperature: what our own loader divides logits by; not applied here.
    """

    model_type = "maedfer"
    # The library's initialiser takes any key of a file; a checker of types would hold it to the fields below.
    __no_type_check__ = True

    type: str = "ClassifierConfig"
    encoder: dict[str, Any] | None = None
    labels: list[str] | tuple[str, ...] | None = None
    pooling: str = "representative"
    temperature: float | int = 1.0

    @property
    def num_frames(self) -> int:
        """Frames of a clip, which the pipeline asks for."""
        return self.settings().encoder.num_frames

    def settings(self) -> ClassifierConfig:
        """The same as our settings.

        Raises:
            ConfigError: an impossible value.
        """
        given = ClassifierConfig() if self.encoder is None else from_json(_settings_text(self))
        if not isinstance(given, ClassifierConfig):
            raise ConfigError(f"expected the settings of a classifier, got {type(given).__name__}; fine-tune it first")
        return replace(given, labels=self._names())

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON values; labels follow ``id2label``, which users of the library change."""
        values: dict[str, Any] = super().to_dict()
        return values | {"labels": list(self._names())}

    def _names(self) -> tuple[str, ...]:
        names: dict[Any, str] = self.id2label or {}
        return tuple(names[index] for index in range(len(names)))


class MaedferForVideoClassification(PreTrainedModel):  # type: ignore[no-untyped-call]
    """Our classifier behind the library's interface: the same parts under the same names, the same forward.

    Weights stay float32 whatever ``dtype`` is asked for, as our own loader has them; autocast (``bf16=True`` of the
    Trainer) makes it fast.
    """

    config_class = MaedferConfig
    main_input_name = "pixel_values"
    _no_split_modules = ["LGIBlock", "ViTBlock"]  # noqa: RUF012 - the library's type
    _keep_in_fp32_modules_strict = {"encoder", "norm", "head"}  # noqa: RUF012
    # The way from pixels to logits, which these parts share with ours.
    pool = ExpressionClassifier.pool
    places = ExpressionClassifier.places
    side_by_side = staticmethod(ExpressionClassifier.side_by_side)
    logits_of_vectors = ExpressionClassifier.logits_of_vectors
    logits_of_places = ExpressionClassifier.logits_of_places
    features_of_normalised = ExpressionClassifier.features_of_normalised
    logits_of_normalised = ExpressionClassifier.logits_of_normalised

    def __init__(self, config: MaedferConfig) -> None:
        super().__init__(config)
        parts = ExpressionClassifier(config.settings())
        self.normalizer, self.encoder, self.norm, self.head = parts.normalizer, parts.encoder, parts.norm, parts.head
        self._unread = [name for name, parameter in self.named_parameters() if not parameter.requires_grad]
        # The library empties buffers that no file holds while it loads; these are fixed tables.
        self._tables = [
            (module, name, buffer.detach().clone())
            for module in self.modules()
            for name, buffer in module.named_buffers(recurse=False)
            if name in module._non_persistent_buffers_set
        ]
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(
        self,
        pixel_values: UInt8[Tensor, "B T 3 H W"] | Float[Tensor, "B T 3 H W"],
        labels: Int64[Tensor, " B"] | None = None,
        return_dict: bool | None = None,
    ) -> ImageClassifierOutput | tuple[Tensor, ...]:
        """Logits of clips, and the loss where labels are given.

        Args:
            pixel_values: RGB faces, uint8 in 0..255 or floating point in 0..1; the model normalises them itself.
            labels: class indices; the loss is the mean cross-entropy.
            return_dict: ``False`` for a plain tuple.

        Raises:
            ConfigError: frames or pixels differ from the model's.
        """
        clips = rearrange(pixel_values, "b t c h w -> b c t h w")
        pixels = self.normalizer(self.normalizer.scale(clips))
        logits: Tensor = self.logits_of_normalised(pixels)  # type: ignore[misc]
        loss = None if labels is None else nn.functional.cross_entropy(logits.float(), labels)
        if return_dict is False:
            return (logits,) if loss is None else (loss, logits)
        return ImageClassifierOutput(loss=loss, logits=logits)

    def train(self, mode: bool = True) -> "MaedferForVideoClassification":
        """As in torch; parameters that nothing reads are frozen again, which the library forgets while it loads."""
        super().train(mode)
        for name in self._unread:
            self.get_parameter(name).requires_grad_(False)
        return self

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """What a file does not hold: the fixed tables, and a linear layer that is new or has another size."""
        for owner, name, value in self._tables:
            if owner is module:
                owner.get_buffer(name).copy_(value)
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


class MaedferImageProcessor(BaseImageProcessor):
    """Pictures of a face to the clip of a model: the square in their middle, resized; no normalising, no torchvision.

    Attributes:
        size: ``{"height": pixels, "width": pixels}`` of the clip.
    """

    size: dict[str, int] = {"height": 160, "width": 160}  # noqa: RUF012 - the library's way of a default
    model_input_names = ["pixel_values"]  # noqa: RUF012

    def preprocess(
        self, images: Shaped[np.ndarray, "..."] | list[Any], return_tensors: str | None = None
    ) -> BatchFeature:
        """Clips of one video or several.

        Args:
            images: frames (T, H, W, 3), RGB, uint8 in 0..255, as an array or a list; or a list of such videos.
            return_tensors: ``"pt"`` for tensors, ``"np"`` for arrays; lists of arrays when left out.

        Returns:
            ``pixel_values``: uint8 (B, T, 3, height, width).

        Raises:
            ConfigError: something else than pictures.
        """
        first = np.asarray(images[0])
        videos = images if first.ndim == 4 else [images]
        clips = [np.stack([self._shaped(np.asarray(frame)) for frame in video]) for video in videos]
        return BatchFeature(data={"pixel_values": clips}, tensor_type=return_tensors)

    def _shaped(self, frame: Shaped[np.ndarray, "..."]) -> UInt8[np.ndarray, "3 h w"]:
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
            raise ConfigError(
                f"expected pictures of (height, width, 3), RGB, uint8, got {frame.shape} of {frame.dtype}; "
                "convert them first"
            )
        side = min(frame.shape[:2])
        top, left = (frame.shape[0] - side) // 2, (frame.shape[1] - side) // 2
        square = np.ascontiguousarray(frame[top : top + side, left : left + side])
        size = (self.size["width"], self.size["height"])
        small = cv2.resize(square, size, interpolation=cv2.INTER_AREA if side > size[0] else cv2.INTER_LINEAR)
        return np.ascontiguousarray(rearrange(small, "h w c -> c h w"))


def from_maedfer(model: ExpressionClassifier) -> MaedferForVideoClassification:
    """The same classifier for transformers: a copy of the weights, in evaluation mode."""
    wrapped = MaedferForVideoClassification(MaedferConfig.from_dict(_values(model.config)))
    wrapped.load_state_dict(model.state_dict())
    wrapped.train(False)
    return wrapped


def to_maedfer(model: MaedferForVideoClassification) -> ExpressionClassifier:
    """The other way round: a copy of the weights in our class, in evaluation mode."""
    ours = ExpressionClassifier(model.config.settings())
    ours.load_state_dict({name: tensor.float() for name, tensor in model.state_dict().items()})
    return ours.eval()


def _values(config: ClassifierConfig) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(to_json(config))
    return values


def _settings_text(config: MaedferConfig) -> str:
    values = {"type": config.type, "encoder": config.encoder, "pooling": config.pooling}
    return json.dumps(values | {"temperature": config.temperature})


AutoConfig.register(MaedferConfig.model_type, MaedferConfig)
AutoModelForVideoClassification.register(MaedferConfig, MaedferForVideoClassification)
AutoImageProcessor.register(MaedferConfig, image_processor_classes={"pil": MaedferImageProcessor})
