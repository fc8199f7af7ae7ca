"""Weights for others: one folder that maedfer and transformers both read, on the disk or on a hub."""

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from maedfer.errors import WeightsError
from maedfer.hub.card import ModelCard
from maedfer.hub.fetch import endpoint, hub_library, reason_of
from maedfer.output import write_text

if TYPE_CHECKING:
    from maedfer.weights import Model

__all__ = ["push_to_hub", "write_folder"]


def write_folder(model: "Model", folder: str | Path, card: ModelCard, *, half: bool = False) -> Path:
    """Write everything that a published model consists of.

    Args:
        model: a classifier or an autoencoder.
        folder: made if absent. Gets ``model.safetensors``, ``config.json``, ``README.md`` (the card) and, for a
            classifier, ``preprocessor_config.json``, which the pipeline of transformers asks for.
        card: what the weights do not tell.
        half: store float16, at half the size.

    Returns:
        The folder.

    Raises:
        WeightsError: a weight is not finite.
        OutputError: the folder cannot be written.
    """
    from maedfer.models import ExpressionClassifier
    from maedfer.weights import fingerprint, save_model

    folder = save_model(model, folder, half=half)
    if isinstance(model, ExpressionClassifier):
        side = model.config.encoder.image_size
        processor = {"image_processor_type": "MaedferImageProcessor", "size": {"height": side, "width": side}}
        write_text(folder / "preprocessor_config.json", json.dumps(processor, indent=2) + "\n")
    write_text(folder / "README.md", card.text(model, fingerprint(folder)))
    return folder


def push_to_hub(
    model: "Model",
    repository: str,
    card: ModelCard,
    *,
    revision: str = "main",
    private: bool = True,
    half: bool = False,
    message: str = "Weights, settings and card",
    dry_run: Path | None = None,
) -> str:
    """Publish a model with its card, through huggingface_hub (extra ``hf``) and the login that it knows.

    Args:
        model: a classifier or an autoencoder.
        repository: ``owner/name``; made if absent.
        card: what the weights do not tell.
        revision: branch to write to.
        private: of a repository that is made now.
        half: store float16, at half the size.
        message: of the commit.
        dry_run: write the folder here, to look at it, and send nothing.

    Returns:
        The commit, for ``load_model(repository, revision=commit)``; of a dry run the folder.

    Raises:
        WeightsError: huggingface_hub is missing, or the hub refuses; neither names the token.
        OutputError: a folder cannot be written.
    """
    if dry_run is not None:
        return str(write_folder(model, dry_run, card, half=half))
    hub = hub_library()
    with tempfile.TemporaryDirectory(prefix="maedfer-push-") as folder:
        write_folder(model, folder, card, half=half)
        api = hub.HfApi(endpoint=endpoint())
        try:
            api.create_repo(repository, private=private, exist_ok=True)
            done = api.upload_folder(repo_id=repository, folder_path=folder, revision=revision, commit_message=message)
        except Exception as error:  # the library's, its transport's, or the system's
            raise WeightsError(
                f"{repository}: the hub did not take the model ({reason_of(error)}); check the name and log in with "
                "`hf auth login` as somebody who may write there; dry_run=FOLDER writes it to the disk instead"
            ) from None
    return str(done.oid)
