"""What a linear reader finds in the tokens of an encoder that is not trained for it."""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int64
from sklearn.linear_model import RidgeClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.utils.data import DataLoader

from maedfer.data.crops import CroppedClips
from maedfer.data.dataset import CachedDataset
from maedfer.models import ExpressionClassifier
from maedfer.train.batch import collate

#: Penalties of the ridge regression, times the mean eigenvalue of the clips' products.
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2)

_BATCH = 32


@torch.no_grad()
def tokens_of(model: ExpressionClassifier, crops: CroppedClips) -> Float[Tensor, "N F"]:
    """All local tokens of each clip, side by side; middle frames."""
    model.eval()
    return torch.cat([model.places(pixels).flatten(1) for pixels in _batches(model, crops)])


def ridge(
    inputs: Float[Tensor, "N F"], targets: Int64[Tensor, " N"], unseen: Float[Tensor, "M F"]
) -> Int64[Tensor, " M"]:
    """The classes of ``unseen`` by ridge regression to the classes, each of which weighs the same.

    The penalty is the one of :data:`PENALTIES` that reads best what it leaves out, one training clip after the other.
    """
    # The mean eigenvalue of the products of standardised features is their number.
    reader = RidgeClassifierCV([share * inputs.shape[1] for share in PENALTIES], class_weight="balanced")
    model = make_pipeline(StandardScaler(), reader).fit(inputs.double().numpy(), targets.numpy())
    return torch.from_numpy(model.predict(unseen.double().numpy()))


def _batches(model: ExpressionClassifier, crops: CroppedClips) -> Iterator[Float[Tensor, "B 3 T H W"]]:
    clips = CachedDataset(crops, list(range(len(crops))), None, model.config.encoder.num_frames, train=False)
    loader = DataLoader(clips, batch_size=_BATCH, collate_fn=collate)
    return (model.normalizer(model.normalizer.scale(batch.clips)) for batch in loader)
