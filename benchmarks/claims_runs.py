"""One run of the study of the paper's claims: pre-training, or a probe or fine-tuning with a score on the test part."""

import dataclasses
import hashlib
import json
import shutil
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode

from claims_data import Clips, label_share, visits
from claims_probe import ridge, tokens_of
from claims_variants import BASE, LABELS, PRETRAININGS, VARIANTS, Kind
from maedfer.config import AutoencoderConfig, ClassifierConfig
from maedfer.data.dataset import CachedDataset
from maedfer.evaluate.metrics import score
from maedfer.models import (
    ExpressionClassifier,
    MaskedAutoencoder,
    TokenMask,
    encoder_state,
    inflate,
    start_from,
)
from maedfer.recipes import AugmentConfig, ComputeConfig, DataConfig, FinetuneRecipe, OptimConfig, PretrainRecipe
from maedfer.train.batch import collate
from maedfer.train.finetune import finetune
from maedfer.train.pretrain import pretrain
from maedfer.weights import load_model

PRETRAIN_BATCH = 64
BATCH = 32
_AUGMENT = AugmentConfig(affine=(5.0, 0.05, 0.08))
_EXACT = ComputeConfig(precision="no")
_LAST = 20  # steps whose mean loss is that of a pre-training


@dataclass(frozen=True)
class Job:
    """Something to be done once.

    Attributes:
        kind: ``"pretrain"``, or how and on which labels a variant is judged.
        name: of the pre-training or the variant.
        seed: of weights, order, masks, augmentation and of the labels that are left.
    """

    kind: Literal["pretrain"] | Kind
    name: str
    seed: int

    def settings(self) -> dict[str, Any]:
        """What the model is and where it starts, as JSON would read it back."""
        if self.kind == "pretrain":
            found: dict[str, Any] = {"autoencoder": dataclasses.asdict(PRETRAININGS[self.name])}
        else:
            variant = VARIANTS[self.name]
            begin = None if variant.pretraining is None else PRETRAININGS[variant.pretraining]
            found = {
                "classifier": dataclasses.asdict(variant.classifier(self.kind)),
                "autoencoder": None if begin is None else dataclasses.asdict(begin),
                "share": variant.share,
            }
        settings: dict[str, Any] = json.loads(json.dumps(found))
        return settings


@dataclass(frozen=True)
class Study:
    """Clips and lengths that all runs share.

    Attributes:
        train, test: the clips.
        work: folder of tables, crops and runs.
        pretrain_steps, finetune_steps: updates by 64 and by 32 clips.
    """

    train: Clips
    test: Clips
    work: Path
    pretrain_steps: int
    finetune_steps: int

    def facts(self) -> dict[str, Any]:
        """All that decides a result besides a job's settings."""
        facts: dict[str, Any] = {"train": self.train.facts(), "test": self.test.facts()}
        for name, recipe in (("pretrain", _PRETRAIN), ("finetune", _FINETUNE)):
            steps = self.pretrain_steps if name == "pretrain" else self.finetune_steps
            facts[name] = {"steps": steps, "augment": dataclasses.asdict(recipe.augment)}
            facts[name]["optim"] = dataclasses.asdict(recipe.optim)
        facts["label_smoothing"] = _FINETUNE.label_smoothing
        plain: dict[str, Any] = json.loads(json.dumps(facts))
        return plain

    def prepare(self) -> None:
        """Cut the faces of all clips, once, so that no run's seconds hold it."""
        for clips in (self.train, self.test):
            clips.crops(BASE.encoder.image_size)

    def folder(self, job: Job) -> Path:
        """Of a run; another for other settings."""
        text = json.dumps([self.facts(), job.settings()], sort_keys=True)
        return self.work / f"{job.kind}-{job.name}-{job.seed}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    def run(self, job: Job) -> dict[str, Any]:
        """Do ``job``; what it gave. One that was stopped goes on from its last checkpoint.

        Raises:
            TrainingError, ManifestError, DecodeError: see :func:`~maedfer.train.finetune.finetune`.
        """
        began = time.perf_counter()
        if job.kind == "pretrain":
            found = self._pretrain(job)
        else:
            found = (self._probe if job.kind.startswith("probe") else self._finetune)(job, job.kind)
        about = {"seconds": round(time.perf_counter() - began, 1), "threads": torch.get_num_threads()}
        row = dataclasses.asdict(job) | found | about
        folder = self.folder(job)
        for left in ("checkpoints", "tensorboard", *(() if job.kind == "pretrain" else ("weights",))):
            shutil.rmtree(folder / left, ignore_errors=True)
        return row | {"config": job.settings()}

    def pretrained(self, job: Job) -> bool:
        """Whether the weights of a pre-training are still there."""
        return (self.folder(job) / "weights" / "model.safetensors").is_file()

    def _pretrain(self, job: Job) -> dict[str, Any]:
        self.train.crops(BASE.encoder.image_size)
        rows = visits(self.train.rows, PRETRAIN_BATCH * self.pretrain_steps)
        data = DataConfig(manifest=self.train.table("pretrain", rows).path, root=self.train.folder, workers=0)
        config = PRETRAININGS[job.name]
        pretrain(dataclasses.replace(_PRETRAIN, model=config, data=data, out=self.folder(job), seed=job.seed))
        losses, seconds = _steps(self.folder(job))
        return {
            "loss": round(statistics.fmean(losses[-_LAST:]), 5),
            "step_seconds": seconds,
            "multiply_adds": multiply_adds(config),
        }

    def _probe(self, job: Job, kind: Kind) -> dict[str, Any]:
        variant = VARIANTS[job.name]
        config, chosen = variant.classifier(kind), label_share(self.train.labelled(kind), variant.share, job.seed)
        torch.manual_seed(job.seed)
        model = ExpressionClassifier(config)
        parts = [
            (clips.crops(config.encoder.image_size, table), table.targets(LABELS[kind]))
            for clips, table in (
                (self.train, self.train.table(f"{kind}-{variant.share}-{job.seed}", chosen)),
                (self.test, self.test.table(kind, self.test.labelled(kind))),
            )
        ]
        if variant.pretraining is not None:
            before = load_model(self.folder(Job("pretrain", variant.pretraining, job.seed)) / "weights")
            start_from(model, inflate(encoder_state(before.state_dict()), before.config, config))
        (inputs, known), (unseen, truth) = ((tokens_of(model, crops), targets) for crops, targets in parts)
        guesses = ridge(inputs, torch.tensor(known), unseen)
        scores = score(truth, guesses.tolist(), LABELS[kind])
        found = {"labels": len(chosen), "multiply_adds": multiply_adds(config)}
        return found | {"uar": round(scores.uar, 5), "war": round(scores.war, 5), "recall": _rounded(scores.recall)}

    def _finetune(self, job: Job, kind: Kind) -> dict[str, Any]:
        variant = VARIANTS[job.name]
        self.train.crops(BASE.encoder.image_size)
        chosen = label_share(self.train.labelled(kind), variant.share, job.seed)
        table = self.train.table(f"{kind}-{variant.share}-{job.seed}", visits(chosen, BATCH * self.finetune_steps))
        begin = None if variant.pretraining is None else Job("pretrain", variant.pretraining, job.seed)
        config = variant.classifier(kind)
        weights = finetune(
            dataclasses.replace(
                _FINETUNE,
                model=config,
                init=None if begin is None else self.folder(begin) / "weights",
                data=DataConfig(manifest=table.path, root=self.train.folder, workers=0),
                out=self.folder(job),
                seed=job.seed,
            )
        )
        losses, seconds = _steps(self.folder(job))
        found = {
            "labels": len(chosen),
            "training_loss": round(statistics.fmean(losses[-_LAST:]), 5),
            "step_seconds": seconds,
            "multiply_adds": multiply_adds(config),
        }
        return found | self._judge(weights, kind)

    @torch.no_grad()
    def _judge(self, weights: Path, kind: Kind) -> dict[str, Any]:
        """Scores on the test part, middle frames of each clip."""
        model = load_model(weights).eval()
        assert isinstance(model, ExpressionClassifier)
        encoder = model.config.encoder
        part = self.test.table(kind, self.test.labelled(kind))
        crops = self.test.crops(encoder.image_size, part)
        targets = part.targets(LABELS[kind])
        clips = CachedDataset(crops, list(range(len(targets))), targets, encoder.num_frames, train=False)
        logits = torch.cat([model(batch.clips) for batch in DataLoader(clips, batch_size=32, collate_fn=collate)])
        scores = score(targets, logits.argmax(1).tolist(), LABELS[kind])
        return {
            "uar": round(scores.uar, 5),
            "war": round(scores.war, 5),
            "loss": round(float(F.cross_entropy(logits, torch.tensor(targets))), 5),
            "recall": _rounded(scores.recall),
        }


# A step's rate is base_lr times clips / 256: 4e-3 and 1e-3. One epoch: a table lists clips as often as it visits them.
_PRETRAIN = PretrainRecipe(
    augment=_AUGMENT,
    optim=OptimConfig(
        epochs=1,
        warmup_epochs=0.1,
        batch_size=PRETRAIN_BATCH,
        base_lr=1.6e-2,
        final_lr=1e-4,
        betas=(0.9, 0.95),
        clip_grad=1.0,
    ),
    compute=_EXACT,
    checkpoint_minutes=2.0,
)
_FINETUNE = FinetuneRecipe(
    augment=_AUGMENT,
    optim=OptimConfig(epochs=1, warmup_epochs=0.1, batch_size=BATCH, base_lr=8e-3, final_lr=2e-4, clip_grad=2.0),
    compute=_EXACT,
    label_smoothing=0.05,
    validation_share=0.0,
    checkpoint_minutes=2.0,
)


@cache
def multiply_adds(config: AutoencoderConfig | ClassifierConfig) -> int:
    """Forward, of one clip in a batch, on the meta device; a CPU's fused attention would be counted as zero."""
    encoder = config.encoder
    clips = torch.empty(BATCH, 3, encoder.num_frames, encoder.image_size, encoder.image_size, device="meta")
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH), torch.no_grad():
        if isinstance(config, ClassifierConfig):
            ExpressionClassifier(config).to("meta").eval()(clips)
        else:
            autoencoder = MaskedAutoencoder(config)
            drawn = autoencoder.draw_mask(BATCH)
            mask = TokenMask(keep=drawn.keep.to("meta"), drop=drawn.drop.to("meta"))
            shell = autoencoder.to("meta").eval()
            shell.decode(shell.encode(clips, mask), mask)
    return int(counter.get_total_flops()) // (2 * BATCH)


def _rounded(recall: Sequence[float | None]) -> list[float | None]:
    return [None if rate is None else round(rate, 4) for rate in recall]


def _steps(folder: Path) -> tuple[list[float], float]:
    """(loss of each step, median seconds of a step) of a run."""
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    steps = [line for line in map(json.loads, lines) if line["kind"] == "train"]
    return [step["loss"] for step in steps], round(statistics.median(step["seconds"] for step in steps), 4)
