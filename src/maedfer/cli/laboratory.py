"""``maedfer synth``: labelled clips of made-up people, freely chosen or a part of a named benchmark."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from maedfer.cli.console import progress_bar
from maedfer.errors import ConfigError

__all__ = ["ClipOptions", "synth"]


@dataclass(frozen=True)
class ClipOptions:
    """What the clips are; a named benchmark fixes all of it.

    Attributes:
        seed: the same seed gives the same clips; another one gives other people.
        size: side of the square picture in pixels, even.
        fps: frames per second.
        seconds: length of a clip.
        test_share: share of the people kept for testing; 5 % more are for validation.
        features: how far people's features at rest lie from the rig's, in weights of units, 0 to 0.5.
        studio: seen clearly from the front in even light, as in sets recorded in a laboratory.
        sequence: each clip shows two expressions, one after the other, and is labelled with the last.
    """

    seed: int = 0
    size: int = 160
    fps: float = 25.0
    seconds: float = 2.56
    test_share: float = 0.1
    features: float = 0.0
    studio: bool = False
    sequence: bool = False


def synth(
    out: Path,
    clips: int | None = None,
    options: Annotated[ClipOptions, arg(name="")] = ClipOptions(),
    rig: str = "anny",
    benchmark: str | None = None,
    part: str | None = None,
    workers: int | None = None,
) -> int:
    """Render labelled expression clips of made-up people: mp4 files, a manifest and the truth of each frame.

    Args:
        out: folder for the clips, manifest.csv and units.npz; an interrupted run goes on where it stopped.
        clips: how many; left out with a benchmark: all of its part.
        options: what the clips are.
        rig: "anny" (extra synth), or a FILE.npz of ICT-FaceKit arrays.
        benchmark: name of a benchmark, such as synth-v1.
        part: of the benchmark: train, val, test, or shift (needs --rig ict_facekit.npz).
        workers: processes that render; one a core when left out.
    """
    if (benchmark is None) != (part is None):
        raise ConfigError("a benchmark and its part are given together: --benchmark synth-v1 --part test")
    if benchmark is not None and part is not None:
        changed = [f"--{f.name.replace('_', '-')}" for f in fields(options) if getattr(options, f.name) != f.default]
        if changed:
            raise ConfigError(f"{benchmark} fixes what its clips are; leave out {', '.join(changed)}")
        return _synth_part(out, benchmark, part, clips, rig, workers)
    if clips is None:
        raise ConfigError("say how many clips: --clips 7000, or a benchmark: --benchmark synth-v1 --part test")
    from maedfer.synth import synthesize

    with progress_bar("rendering") as bar:
        manifest = synthesize(
            out,
            clips,
            options.seed,
            rig=rig,
            size=options.size,
            fps=options.fps,
            seconds=options.seconds,
            test_share=options.test_share,
            features=options.features,
            studio=options.studio,
            sequence=options.sequence,
            workers=workers,
            progress=bar,
        )
    print(f"wrote {manifest}")
    return 0


def _synth_part(out: Path, benchmark: str, part: str, clips: int | None, rig: str, workers: int | None) -> int:
    """A part of a benchmark."""
    from maedfer.synth import synthesize_part

    rig_path = None if rig == "anny" else Path(rig)
    with progress_bar("rendering") as bar:
        manifest = synthesize_part(out, benchmark, part, clips=clips, rig_path=rig_path, workers=workers, progress=bar)
    print(f"wrote {manifest}")
    return 0
