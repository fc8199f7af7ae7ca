"""What all steps of one preparation share, and the three steps that look at pixels: examine, look, cut."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np

from maedfer.data.corpora import Corpus
from maedfer.errors import DetectorError, ManifestError
from maedfer.preparation.checks import Examined, rate_of
from maedfer.preparation.jobs import CropJob, Cropped, FactsJob, Failure, Job, LookJob
from maedfer.preparation.journal import Journal
from maedfer.preparation.options import PreparationOptions
from maedfer.preparation.places import Places
from maedfer.preparation.pool import Progress, perform
from maedfer.preparation.report import Finding, LeftOut, Look
from maedfer.preparation.tightness import Tightness, state_of

__all__ = ["Workshop"]

R = TypeVar("R")
_USUAL_FPS = 25.0


@dataclass
class Workshop:
    """One preparation at work.

    Attributes:
        corpus: the set as its names and lists say.
        places: where things lie.
        options: how to prepare.
        journal: what was done already.
        progress: called after each result.
        left_out: clips that will not be in the manifest: at first those that the set lacks.
        findings: of the steps.
    """

    corpus: Corpus
    places: Places
    options: PreparationOptions
    journal: Journal
    progress: Progress | None
    left_out: list[LeftOut]
    findings: list[Finding] = field(default_factory=list)

    @property
    def cutting(self) -> bool:
        """Whether faces are cut."""
        wish = self.options.crop
        return wish == "face" or (wish == "auto" and self.corpus.crop == "none")

    def examine(self) -> list[Examined]:
        """Facts of all clips that can be read, in the set's order; the others go to ``left_out``.

        Raises:
            ManifestError: there is none.
        """
        root = self.places.root
        found = self._done([FactsJob(clip.path, root / clip.path, self.options.deep) for clip in self.corpus.clips])
        examined = []
        for clip in self.corpus.clips:
            facts = found[clip.path]
            if isinstance(facts, Failure):
                self.left_out.append(LeftOut(clip.path, "unreadable", facts.reason))
            else:
                examined.append(Examined(clip, facts))
        if not examined:
            first = self.left_out[-1] if self.left_out else LeftOut("(nothing)", "missing", "the set lists no clip")
            raise ManifestError(
                f"{root}: none of its {len(self.corpus.clips)} clips can be read; {first.path}: {first.reason}"
            )
        return examined

    def look(self, of: Literal["source", "crops"], files: Sequence[Path]) -> Look | None:
        """Tightness of a seeded sample of these clips; ``None`` when none is asked for, or without a detector."""
        count = min(self.options.sample, len(files))
        if not count:
            return None
        drawn = np.random.default_rng(self.options.seed).choice(len(files), count, replace=False)
        jobs = [LookJob(f"{of}: {files[index]}", files[index]) for index in sorted(drawn.tolist())]
        try:
            found = self._done(jobs)
        except DetectorError as error:
            self.findings.append(Finding("faces", "note", f"not looked for: {error}"))
            return None
        measured = [result for result in found.values() if isinstance(result, Tightness)]
        faces = [clip for clip in measured if clip.found]
        values = np.array([(c.share, max(abs(c.off_x), abs(c.off_y))) for c in faces]).reshape(-1, 2)
        share, off = np.median(values, axis=0).tolist() if faces else (0.0, 0.0)
        return Look(of, state_of(measured), len(measured), len(faces), share, off)

    def cut(self, clips: Sequence[Examined], files: dict[str, Path]) -> dict[str, Cropped]:
        """Face videos by clip; clips without a face, or whose pictures cannot be read, go to ``left_out``.

        Args:
            clips: those that can be read.
            files: where the crop of each clip belongs.
        """
        folder = self.places.crops
        for leftover in folder.rglob(".*.mp4") if folder.is_dir() else ():
            leftover.unlink(missing_ok=True)  # of a run that was killed; the journal's lock keeps others away
        jobs = [
            CropJob(
                name=examined.clip.path,
                source=self.places.root / examined.clip.path,
                out=files[examined.clip.path],
                side=self.options.size,
                folder_fps=rate_of(self.corpus, examined) or _USUAL_FPS,
                keep_faceless=self.options.keep_faceless,
            )
            for examined in clips
        ]
        crops = {}
        for name, result in self._done(jobs).items():
            if isinstance(result, Failure):
                self.left_out.append(LeftOut(name, "unreadable", result.reason))
            elif not result.frames:
                self.left_out.append(LeftOut(name, "no face", ""))
            else:
                crops[name] = result
        return crops

    def _done(self, jobs: Sequence[Job[R]]) -> dict[str, R | Failure]:
        workers = (os.cpu_count() or 1) if self.options.workers is None else self.options.workers
        return perform(jobs, self.journal, workers=workers, progress=self.progress)
