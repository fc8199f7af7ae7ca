"""``maedfer pretrain RECIPE`` and ``maedfer finetune RECIPE``: a recipe is a command, each of its fields an option."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from tyro.conf import AvoidSubcommands, arg
from tyro.extras import SubcommandApp

from maedfer.cli.console import Bar, progress_bar
from maedfer.errors import ConfigError
from maedfer.recipes import FINETUNE_RECIPES, PRETRAIN_RECIPES, FinetuneRecipe, PretrainRecipe

__all__ = ["finetune_commands", "pretrain_commands", "require_training"]


_NEEDED = ("accelerate", "kornia", "matplotlib", "peft", "sklearn", "tensorboard", "webdataset")


def pretrain_commands() -> SubcommandApp:
    """One command per pre-training recipe."""
    app = SubcommandApp()
    for name, recipe in PRETRAIN_RECIPES.items():
        app.command(name=name, help=_first_line(recipe.__doc__))(_pretrain(recipe()))
    return app


def finetune_commands() -> SubcommandApp:
    """One command per fine-tuning recipe."""
    app = SubcommandApp()
    for name, recipe in FINETUNE_RECIPES.items():
        app.command(name=name, help=_first_line(recipe.__doc__))(_finetune(recipe()))
    return app


def _pretrain(default: PretrainRecipe) -> Callable[..., int]:
    def run(recipe: Annotated[PretrainRecipe, arg(name=""), AvoidSubcommands] = default) -> int:
        require_training()
        from maedfer.train.pretrain import pretrain

        with progress_bar("pre-training") as bar:
            weights = pretrain(recipe, _with_numbers(bar))
        return _end(weights)

    return run


def _finetune(default: FinetuneRecipe) -> Callable[..., int]:
    def run(recipe: Annotated[FinetuneRecipe, arg(name=""), AvoidSubcommands] = default) -> int:
        require_training()
        from maedfer.train.finetune import finetune

        with progress_bar("fine-tuning") as bar:
            weights = finetune(recipe, _with_numbers(bar))
        return _end(weights)

    return run


def require_training() -> None:
    """Say early that the extra `train` is missing.

    Raises:
        ConfigError: one of its packages is not installed.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise ConfigError(f"training needs {', '.join(missing)}, not installed here; run: pip install 'maedfer[train]'")


def _end(weights: Path) -> int:
    from maedfer.train.processes import end_processes, is_main_process

    if is_main_process():
        print(f"wrote {weights}")
    end_processes()
    return 0


def _with_numbers(bar: Bar) -> Callable[[int, int, dict[str, float]], None]:
    def show(done: int, total: int, numbers: dict[str, float]) -> None:
        bar(done, total, ", ".join(f"{name} {value:.4g}" for name, value in numbers.items()))

    return show


def _first_line(text: str | None) -> str:
    return (text or "").strip().split("\n\n")[0].replace("\n", " ")
