"""Videos for the other benchmarks, made of the synthetic laboratory: nothing is downloaded.

python benchmarks/make_video.py one-face OUT.mp4              # 60 s, 640x360, one rendered face
python benchmarks/make_video.py loop OUT.mp4 --minutes 60     # a 1280x720 scene, forward and backward, for an hour
"""

import argparse
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from maedfer.synth.sample import render_scene
from maedfer.video.encode import write_video

_LOOPED_S = 24.0


def one_face(out: Path) -> None:
    """One face for a minute."""
    scene = render_scene(5, faces=1, seconds=60.0)
    write_video(out, scene.frames, scene.fps)


def loop(out: Path, minutes: float) -> None:
    """Two faces at 1280x720; forward, then backward, so that no cut ends a track, again and again without encoding."""
    scene = render_scene(5, faces=2, seconds=_LOOPED_S / 2)
    part = out.with_suffix(".part.mp4")
    write_video(part, _there_and_back(scene.frames), scene.fps)
    _repeat(part, out, max(1, round(minutes * 60 / _LOOPED_S)))
    part.unlink()


def _there_and_back(frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    kept = [cv2.imencode(".png", frame)[1] for frame in frames]
    for data in [*kept, *reversed(kept)]:
        yield cv2.resize(cv2.imdecode(data, cv2.IMREAD_COLOR), (1280, 720), interpolation=cv2.INTER_CUBIC)


def _repeat(part: Path, out: Path, times: int) -> None:
    with av.open(str(out), "w") as target:
        stream, shift = None, 0
        for _ in range(times):
            with av.open(str(part)) as source:
                video = source.streams.video[0]
                if stream is None:
                    stream = target.add_stream_from_template(video)
                length = round(Fraction(video.frames, 25) / video.time_base)
                for packet in source.demux(video):
                    if packet.pts is None or packet.dts is None:
                        continue
                    packet.pts += shift
                    packet.dts += shift
                    packet.stream = stream
                    target.mux(packet)
                shift += length


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("one-face", "loop"))
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=60.0)
    arguments = parser.parse_args()
    if arguments.kind == "loop":
        loop(arguments.out, arguments.minutes)
    else:
        one_face(arguments.out)


if __name__ == "__main__":
    main()
