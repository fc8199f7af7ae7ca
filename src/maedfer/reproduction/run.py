"""Prepare a set, fine-tune and judge each of its folds, and put the result beside the paper's."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

from maedfer import __version__
from maedfer.data.manifest import Manifest, read_manifest
from maedfer.data.published import published_result
from maedfer.errors import ConfigError, ManifestError, OutputError
from maedfer.evaluate.clips import evaluate_manifest
from maedfer.evaluate.evaluation import Evaluation
from maedfer.evaluate.packages import require_packages
from maedfer.evaluate.ranks import rank_group
from maedfer.evaluate.report import write_evaluation
from maedfer.evaluate.stored import read_evaluation
from maedfer.hub import from_pretrained, locate
from maedfer.inference import Device, resolve_device
from maedfer.output import require_writable, write_text
from maedfer.preparation import PreparationOptions, prepare_corpus
from maedfer.recipes import FINETUNE_RECIPES, FinetuneRecipe
from maedfer.reproduction.causes import causes_of, departures, whole_protocol
from maedfer.reproduction.compare import compare_with_paper
from maedfer.reproduction.table import Comparison
from maedfer.train.finetune import finetune
from maedfer.train.processes import is_main_process
from maedfer.weights import fingerprint

__all__ = ["REPRODUCED_SETS", "Progress", "ReproducedSet", "reproduce"]

ReproducedSet = Literal["dfew", "ferv39k", "mafw", "crema-d", "ravdess", "enterface05"]

#: The sets of the paper by the name of their layout.
REPRODUCED_SETS: dict[ReproducedSet, str] = {
    "dfew": "DFEW",
    "ferv39k": "FERV39k",
    "mafw": "MAFW",
    "crema-d": "CREMA-D",
    "ravdess": "RAVDESS",
    "enterface05": "eNTERFACE05",
}

_MANIFEST = "manifest.csv"
_SETTINGS = "preparation.json"

#: Called with (done, in all, what is being done).
Progress = Callable[[int, int, str], None]


def reproduce(
    name: ReproducedSet,
    root: Path,
    recipe: FinetuneRecipe,
    out: Path,
    *,
    folds: Sequence[int] = (),
    preparation: PreparationOptions = PreparationOptions(),  # noqa: B008 - frozen
    device: Device = "auto",
    progress: Progress | None = None,
) -> Comparison:
    """Run the whole protocol into ``out``; what was done before is kept, so an interrupted call goes on.

    Started by torchrun, all processes train and judge together; the first to come prepares.

    Args:
        name: which set.
        root: its folder as distributed.
        recipe: usually ``paper_...`` with ``init`` set; its ``out`` and what ``data`` says of the set are set here.
        out: manifest, report, a folder a fold (run, weights, evaluation), ``reproduction.md`` and ``.json``.
        folds: only these; none: all of them.
        preparation, device: how the set is prepared; where weights are judged.
        progress: called with (done, in all, what).

    Raises:
        ConfigError, WeightsError: an unknown set or fold, a missing package; no weights of that name.
        ManifestError: the set is not where it should be, or ``out`` was prepared in another way.
        OutputError: ``out`` cannot be written, or its file system has no locks.
        MaedferError: see :func:`finetune` and :func:`evaluate_manifest`.
    """
    require_packages("sklearn", "matplotlib")
    if name not in REPRODUCED_SETS:
        raise ConfigError(f"reproduce: expected one of {', '.join(REPRODUCED_SETS)}, got {name!r}")
    require_writable(out)
    # A run knows its settings by their text: the same call from another folder must go on too.
    out, root = out.resolve(), root.resolve()
    if recipe.init is not None:
        recipe = replace(recipe, init=locate(recipe.init.as_posix()).resolve())
    manifest, start = _prepared(name, root, out, recipe.init, preparation, progress)
    chosen = _folds(manifest, folds)
    evaluations: dict[int | None, Evaluation] = {}
    for number, fold in enumerate(chosen):
        data = replace(recipe.data, manifest=manifest.path, root=start, fold=fold)
        run = replace(recipe, data=data, out=out / (f"fold-{fold}" if fold is not None else "split"))
        told = f"{run.out.name.replace('-', ' ')} ({number + 1} of {len(chosen)})"
        evaluations[fold] = _run(run, manifest, device, progress, told)
    found = _compared(name, recipe, evaluations, manifest, out)
    if is_main_process():
        _write(found, out)
    return found


def _compared(
    name: ReproducedSet,
    recipe: FinetuneRecipe,
    evaluations: Mapping[int | None, Evaluation],
    manifest: Manifest,
    out: Path,
) -> Comparison:
    changed = departures(recipe, FINETUNE_RECIPES[f"paper_{name.replace('-', '_')}"]())
    folds = tuple(evaluations)
    causes = causes_of(recipe, folds, manifest, _findings(out), changed)
    complete = whole_protocol(recipe, folds, manifest) and not changed
    published = published_result(REPRODUCED_SETS[name])
    return compare_with_paper(published, evaluations, causes, complete=complete)


def _write(found: Comparison, out: Path) -> None:
    write_text(out / "reproduction.md", found.to_markdown())
    write_text(out / "reproduction.json", json.dumps(found.to_dict(), indent=1) + "\n")


def _run(run: FinetuneRecipe, manifest: Manifest, device: Device, progress: Progress | None, told: str) -> Evaluation:
    """Train, then judge."""
    if progress is None:
        return _judged(finetune(run), manifest, run, device, None)
    weights = finetune(run, _titled(progress, f"training {told}"))
    return _judged(weights, manifest, run, device, _short(progress, told))


def _prepared(
    name: ReproducedSet,
    root: Path,
    out: Path,
    init: Path | None,
    options: PreparationOptions,
    progress: Progress | None,
) -> tuple[Manifest, Path | None]:
    """The manifest and where its paths start; the first process to come makes it, the others wait for it."""
    file, done = out / _MANIFEST, out / _SETTINGS
    settings: dict[str, object] = {"set": name, "root": str(root), "crop": options.crop, "size": options.size}
    # Of the weights the content: a file may be replaced under its name, and runs that have begun would go on as before.
    settings["weights"] = None if init is None else fingerprint(init)
    with _alone(out):
        if not done.exists():
            made = prepare_corpus(name, root, file, options=options, progress=progress)
            write_text(done, json.dumps(settings | {"root_needed": made.root_needed}) + "\n")
        before = _stored_settings(done)
    other = [key for key, value in settings.items() if before.get(key) != value]
    if other:
        raise ManifestError(
            f"{out}: was begun with another {' and '.join(other)}, {other[0]} {before.get(other[0])} and not "
            f"{settings[other[0]]}; give another --out"
        )
    start = root if before.get("root_needed") else None
    return read_manifest(file, start), start


def _stored_settings(file: Path) -> dict[str, object]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ManifestError(f"{file}: expected the settings of a preparation ({error}); remove it and go on") from error
    return found if isinstance(found, dict) else {}


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    with (out / ".preparing").open("w") as file:
        if sys.platform != "win32":
            import fcntl

            try:
                fcntl.flock(file, fcntl.LOCK_EX)  # ends with the file, or with the process
            except OSError as error:
                raise OutputError(
                    f"{out}: expected a file system with locks, got: {error.strerror or error}; choose another --out, "
                    "or mount it with flock"
                ) from error
        yield


def _folds(manifest: Manifest, wanted: Sequence[int]) -> tuple[int | None, ...]:
    there = manifest.folds()
    if not there:
        if wanted:
            raise ConfigError(f"folds: this set has one split and no folds, got {', '.join(map(str, wanted))}")
        return (None,)
    unknown = sorted(set(wanted) - set(there))
    if unknown:
        raise ConfigError(f"folds: expected some of {', '.join(map(str, there))}, got {unknown[0]}")
    return tuple(sorted(set(wanted))) or there


def _judged(
    weights: Path,
    manifest: Manifest,
    run: FinetuneRecipe,
    device: Device,
    progress: Callable[[int, int], None] | None,
) -> Evaluation:
    """The test part's evaluation; one of these very weights is read back."""
    identity, folder = fingerprint(weights), run.out / "evaluation"
    fold = run.data.fold
    part = manifest.part("test") if fold is None else manifest.fold_parts(fold)[1]
    with rank_group() as ranks:
        # Asked of all, for a machine may see a shared folder late, and one that judged alone would wait for the others.
        if all(ranks.gather(lambda: [(ranks.index, _judged_before(folder, identity))])):
            return read_evaluation(folder)
        evaluation = evaluate_manifest(
            from_pretrained(weights, device=str(resolve_device(device))),
            part,
            crop="centre",
            views="ends",
            sampling=run.data.sampling,
            workers=run.data.workers,
            progress=None if ranks.index else progress,
        )
        if ranks.index == 0:
            facts = {"sha256": identity, "fold": fold, "manifest": manifest.path.name, "maedfer": __version__}
            write_evaluation(evaluation, folder, facts)
    return evaluation


def _judged_before(folder: Path, identity: str) -> bool:
    try:
        content = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
        return bool(content["facts"]["sha256"] == identity)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _findings(out: Path) -> list[str]:
    """What the preparation found, in words: errors, warnings, and where faces are wanting."""
    file = (out / _MANIFEST).with_suffix(".report.json")
    try:
        found = json.loads(file.read_text(encoding="utf-8"))["findings"]
        return [f"{one['what']}: {one['text']}" for one in found if one["weight"] != "note" or one["what"] == "faces"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ManifestError(
            f"{file}: expected the report of a preparation ({error}); remove {_SETTINGS} beside it and go on"
        ) from error


def _titled(progress: Progress, title: str) -> Callable[[int, int, dict[str, float]], None]:
    def show(done: int, total: int, numbers: dict[str, float]) -> None:
        progress(done, total, f"{title} " + ", ".join(f"{key} {value:.4g}" for key, value in numbers.items()))

    return show


def _short(progress: Progress, told: str) -> Callable[[int, int], None]:
    return lambda done, total: progress(done, total, f"judging {told}")
