"""``maedfer reproduce SET``: the paper's protocol from a set as distributed to a table beside the paper's numbers."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from tyro.conf import AvoidSubcommands, arg
from tyro.extras import SubcommandApp

from maedfer.cli.console import plain, progress_bar
from maedfer.cli.options import Device
from maedfer.cli.runs import require_training
from maedfer.recipes import (
    FinetuneRecipe,
    paper_crema_d,
    paper_dfew,
    paper_enterface05,
    paper_ferv39k,
    paper_mafw,
    paper_ravdess,
)

__all__ = ["reproduce_commands"]

_SETS = {
    "dfew": paper_dfew,
    "ferv39k": paper_ferv39k,
    "mafw": paper_mafw,
    "crema-d": paper_crema_d,
    "ravdess": paper_ravdess,
    "enterface05": paper_enterface05,
}


def reproduce_commands() -> SubcommandApp:
    """One command per set of the paper."""
    app = SubcommandApp()
    for name, recipe in _SETS.items():
        app.command(name=name, help=(recipe.__doc__ or "").split("\n")[0])(_reproduce(name, recipe()))
    return app


def _reproduce(name: str, default: FinetuneRecipe) -> Callable[..., int]:
    def run(
        root: Path,
        weights: Path | None = None,
        out: Path = Path(f"maedfer-{name}"),
        folds: tuple[int, ...] = (),
        device: Device = "auto",
        recipe: Annotated[FinetuneRecipe, arg(name="recipe"), AvoidSubcommands] = default,
    ) -> int:
        """Prepare the set, fine-tune and judge its folds, print the paper's numbers and ours; run again, it goes on.

        Args:
            root: folder of the set as distributed.
            weights: pre-trained weights: a folder of ours, an official .pth, or a name that a hub knows; left out: from
                scratch.
            out: folder for everything.
            folds: only these.
            device: where the weights are judged.
            recipe: the paper's settings; its init, out and data.manifest, root and fold are set by this command.
        """
        require_training()
        from maedfer.reproduction import REPRODUCED_SETS, reproduce

        (layout,) = (known for known in REPRODUCED_SETS if known == name)
        with progress_bar(name) as bar:
            found = reproduce(
                layout, root, replace(recipe, init=weights), out, folds=folds, device=device, progress=bar
            )
        from maedfer.train.processes import end_processes, is_main_process

        if is_main_process():
            print(found.to_markdown())
            print(f"wrote {plain(str(out / 'reproduction.md'))}")
        end_processes()
        return 0

    return run
