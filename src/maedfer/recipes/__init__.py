"""Complete runs by name: a function returns every setting; its docstring gives hardware, hours, score and source.

Any field can be overridden on the command line (``maedfer finetune demo_finetune --optim.epochs 3``).
"""

from collections.abc import Callable

from maedfer.recipes.adaptation import AdaptConfig, ImbalanceConfig
from maedfer.recipes.data import DataConfig
from maedfer.recipes.demo import demo_finetune, demo_finetune_short, demo_pretrain, demo_stem
from maedfer.recipes.paper import (
    paper_crema_d,
    paper_dfew,
    paper_enterface05,
    paper_ferv39k,
    paper_mafw,
    paper_pretrain,
    paper_ravdess,
)
from maedfer.recipes.settings import AugmentConfig, ComputeConfig, FinetuneRecipe, OptimConfig, PretrainRecipe

__all__ = [
    "FINETUNE_RECIPES",
    "PRETRAIN_RECIPES",
    "AdaptConfig",
    "AugmentConfig",
    "ComputeConfig",
    "DataConfig",
    "FinetuneRecipe",
    "ImbalanceConfig",
    "OptimConfig",
    "PretrainRecipe",
    "demo_finetune",
    "demo_finetune_short",
    "demo_pretrain",
    "demo_stem",
    "paper_crema_d",
    "paper_dfew",
    "paper_enterface05",
    "paper_ferv39k",
    "paper_mafw",
    "paper_pretrain",
    "paper_ravdess",
]

PRETRAIN_RECIPES: dict[str, Callable[[], PretrainRecipe]] = {
    "demo_pretrain": demo_pretrain,
    "paper_pretrain": paper_pretrain,
}

FINETUNE_RECIPES: dict[str, Callable[[], FinetuneRecipe]] = {
    "demo_finetune": demo_finetune,
    "demo_finetune_short": demo_finetune_short,
    "demo_stem": demo_stem,
    "paper_crema_d": paper_crema_d,
    "paper_dfew": paper_dfew,
    "paper_enterface05": paper_enterface05,
    "paper_ferv39k": paper_ferv39k,
    "paper_mafw": paper_mafw,
    "paper_ravdess": paper_ravdess,
}
