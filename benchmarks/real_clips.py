"""What a model says of a few real faces, and whether that agrees with what is seen in them.

python benchmarks/real_clips.py FOLDER_OR_FILES... [--model WEIGHTS] [--baseline person] [--record real_clips]

The clips and photographs are named, with the packages that bring them and with what is seen when, in
``judge_moments.py``; what is not among them is only described. These lines are checked:

1. neutral and talking parts are called fear or disgust in at most 15 % of the windows of each clip;
2. a mouth that opens under resting brows is not called surprise, in at least 85 % of its windows;
3. within a face, the happy score rises by 0.2 or more from rest (or sadness) to a smile;
4. a face at rest is called happy in at most 15 % of its windows (or a model that calls everything happy would pass);
5. within a face, the sad score rises by 0.2 or more from a smile to weeping.

A window belongs to a span when three quarters of it lie within (to a mouth's opening, which is shorter, when its middle
does); neighbouring spans of rest and open mouths count together for the first line. Called is what the user is told:
"unsure" under the threshold of confidence is neither.
"""

import argparse
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

import record
from judge_moments import CALM_CLIPS, MOMENTS, STILLS, Moment, Still
from maedfer.predict import Prediction, Predictor
from maedfer.report.windows import UNSURE

_VIDEOS = (".mp4", ".webm", ".ogv", ".mov")
_HOP_S, _FPS, _SPAN_S = 0.64, 12.5, 2.56
_RARE = ("fear", "disgust")
_MOST_WRONG, _LEAST_RISE = 0.15, 0.2


@dataclass(frozen=True)
class Told:
    """What is said of the main face of a clip, by window.

    Attributes:
        starts: seconds (N,).
        ends: seconds (N,).
        scores: probabilities (N, L).
        called: the answer that the user is told.
        labels: L names.
    """

    starts: np.ndarray
    ends: np.ndarray
    scores: np.ndarray
    called: list[str]
    labels: tuple[str, ...]

    @classmethod
    def of(cls, prediction: Prediction) -> "Told | None":
        """Of the face that was judged most often."""
        if not prediction.tracks():
            return None
        track = max(prediction.tracks(), key=lambda t: len(prediction.answers(t)))
        windows = [window for window in prediction.windows if window.track == track]
        return cls(
            np.array([window.start_s for window in windows]),
            np.array([window.end_s for window in windows]),
            np.array([answer.probabilities for answer in prediction.answers(track)]),
            [answer.label for answer in prediction.answers(track)],
            prediction.labels,
        )

    def within(self, moments: list[Moment]) -> np.ndarray:
        """Which windows (N,) belong to these spans together."""
        inside = np.zeros(len(self.starts))
        for moment in moments:
            inside += np.clip(np.minimum(self.ends, moment.end_s) - np.maximum(self.starts, moment.start_s), 0, None)
        return inside >= 0.75 * (self.ends - self.starts)

    def centred(self, moments: list[Moment]) -> np.ndarray:
        """Which windows (N,) have their middle in one of these spans."""
        middle = (self.starts + self.ends) / 2
        return np.any([(m.start_s <= middle) & (middle <= m.end_s) for m in moments], axis=0)

    def share(self, chosen: np.ndarray, *labels: str) -> float:
        """Share of the chosen windows that are called one of the labels."""
        named = [self.called[k] in labels for k in np.flatnonzero(chosen)]
        return float(np.mean(named)) if named else 0.0

    def means(self, chosen: np.ndarray) -> dict[str, float]:
        """Mean probability of each label over the chosen windows."""
        mean = self.scores[chosen].mean(0) if chosen.any() else np.full(len(self.labels), np.nan)
        return {label: round(float(value), 4) for label, value in zip(self.labels, mean, strict=True)}


def describe(told: Told) -> dict[str, Any]:
    """A clip as a whole, and second by second."""
    every = np.ones(len(told.starts), bool)
    middle, counts = (told.starts + told.ends) / 2, Counter(told.called)
    timeline = []
    for second in range(int(told.ends.max()) + 1):
        near = int(np.abs(middle - second - 0.5).argmin())
        best = int(told.scores[near].argmax())
        timeline.append([second, told.called[near], told.labels[best], round(float(told.scores[near, best]), 3)])
    raw = [told.labels[k] for k in told.scores.argmax(1)]
    return {
        "windows": len(every),
        "called": {label: round(counts[label] / len(every), 3) for label in (*told.labels, UNSURE)},
        "fear_or_disgust": round(told.share(every, *_RARE), 3),
        "fear_or_disgust_most_probable": round(float(np.mean([label in _RARE for label in raw])), 3),
        "mean": told.means(every),
        "timeline": timeline,
    }


def chosen_windows(told: Told, moments: list[Moment], kind: str) -> np.ndarray:
    """The windows of all spans of a kind."""
    own = [m for m in moments if m.kind == kind or (kind == "calm" and m.kind in ("rest", "mouth"))]
    if not own:
        return np.zeros(len(told.starts), bool)
    if kind in ("mouth", "brows"):
        clear = np.ones(len(told.starts), bool)
        if kind == "mouth":
            for other in (m for m in moments if m.kind == "brows"):
                clear &= np.minimum(told.ends, other.end_s) - np.maximum(told.starts, other.start_s) <= 0.1
        return told.centred(own) & clear
    return told.within(own)


def kinds(told: Told, moments: list[Moment]) -> dict[str, Any]:
    """For each kind of span: windows, what they are called, mean scores and their rise over rest."""
    rest = told.means(chosen_windows(told, moments, "rest"))
    found = {}
    for kind in ("rest", "calm", "mouth", "brows", "smile", "sad", "frown", "covered"):
        own = chosen_windows(told, moments, kind)
        if own.any():
            called = Counter(told.called[k] for k in np.flatnonzero(own))
            mean = told.means(own)
            rise = {label: round(mean[label] - rest[label], 4) for label in ("happy", "surprise", "sad")}
            found[kind] = {
                "windows": int(own.sum()),
                "called": {label: round(count / int(own.sum()), 3) for label, count in called.most_common()},
                "mean": mean,
                "rise_over_rest": None if np.isnan(rest["happy"]) else rise,
            }
    return found


def held(predictor: Predictor, still: Still, path: Path) -> dict[str, Any]:
    """A picture held still for one window."""
    if still.at_s is None:
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)[..., ::-1]
    else:
        with av.open(str(path)) as container:
            image = next(
                f.to_ndarray(format="rgb24") for f in container.decode(video=0) if float(f.time or 0) >= still.at_s
            )
    shrink = min(1.0, 640 / max(image.shape[:2]))
    image = cv2.resize(image, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    told = Told.of(predictor.predict(np.repeat(image[None], round(_SPAN_S * _FPS), 0), fps=_FPS))
    if told is None:
        return {"shows": still.label, "called": "unseen"}
    return {"shows": still.label, "seen": still.seen, "called": told.called[0]} | told.means(np.arange(1) == 0)


def checks(clips: dict[str, Any], stills: dict[str, Any]) -> list[tuple[str, str, float, bool]]:
    """Line, what was measured, the figure, whether it passes."""
    lines: list[tuple[str, str, float, bool]] = []
    for name, clip in clips.items():
        found = clip["kinds"]
        if name in CALM_CLIPS and "calm" in found:
            share = sum(found["calm"]["called"].get(label, 0.0) for label in _RARE)
            lines.append(("1", f"{name}: neutral or talking, called fear or disgust", share, share <= _MOST_WRONG))
        if name.startswith("cap1") and "mouth" in found:
            share = found["mouth"]["called"].get("surprise", 0.0)
            lines.append(("2", f"{name}: only the mouth opens, called surprise", share, share <= _MOST_WRONG))
        if "rest" in found and name in CALM_CLIPS[1:]:
            share = found["rest"]["called"].get("happy", 0.0)
            lines.append(("4", f"{name}: neutral or talking, called happy", share, share <= _MOST_WRONG))
        if "smile" in found and "sad" in found:
            rise = found["sad"]["mean"]["sad"] - found["smile"]["mean"]["sad"]
            lines.append(("5", f"{name}: sad score, weeping over smile", rise, rise >= _LEAST_RISE))
        for low in ("rest", "sad"):
            if "smile" in found and low in found:
                rise = found["smile"]["mean"]["happy"] - found[low]["mean"]["happy"]
                lines.append(("3", f"{name}: happy score, smile over {low}", rise, rise >= _LEAST_RISE))
    for first in STILLS:
        for second in STILLS:
            if first.person == second.person and (first.label, second.label) == ("neutral", "happy"):
                pair = [stills.get(f"{s.file}@{s.at_s}", {}) for s in (first, second)]
                if all("happy" in one for one in pair):
                    rise = pair[1]["happy"] - pair[0]["happy"]
                    lines.append(("3", f"{first.person}: happy score, smile over rest", rise, rise >= _LEAST_RISE))
    return lines


def show(console: Console, clips: dict[str, Any], stills: dict[str, Any]) -> None:
    """Tables of clips, spans and pictures."""
    table = Table("clip, span", "windows", "called", "happy", "sad", "neutral", "angry", "surpr.", "disg.", "fear")
    for name, clip in clips.items():
        for kind, told in {"all": clip, **clip["kinds"]}.items():
            called = " ".join(f"{label} {share:.0%}" for label, share in told["called"].items() if share)
            table.add_row(
                f"{name[:9]} {kind}", str(told["windows"]), called, *(f"{v:.2f}" for v in told["mean"].values())
            )
        table.add_section()
        steps = " ".join(f"{second}:{called[:4]}" for second, called, _, _ in clip["timeline"])
        console.print(f"{name}, by second: {steps}\n")
    console.print(table)
    for name, told in stills.items():
        scores = " ".join(f"{k} {v:.2f}" for k, v in told.items() if isinstance(v, float))
        console.print(f"{name}: shows {told['shows']}, called {told['called']}  ({scores})")


def main() -> None:
    """Predict, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", type=Path, help="clips, pictures, and folders of them")
    parser.add_argument("--model", help="a folder or file of weights; left out: those inside the package")
    parser.add_argument("--baseline", choices=("none", "person"), default="none", help="as in maedfer predict")
    parser.add_argument("--record", help="write benchmarks/results/NAME.json")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    files = {f.name: f for p in arguments.paths for f in (sorted(p.rglob("*")) if p.is_dir() else [p]) if f.is_file()}
    predictor, clips = Predictor(arguments.model, hop_s=_HOP_S, baseline=arguments.baseline), {}
    for name, path in files.items():
        if path.suffix.lower() in _VIDEOS and (path in arguments.paths or any(m.clip == name for m in MOMENTS)):
            told = Told.of(predictor.predict(path))
            if told is not None:
                clips[name] = describe(told) | {"kinds": kinds(told, [m for m in MOMENTS if m.clip == name])}
    stills = {f"{s.file}@{s.at_s}": held(predictor, s, files[s.file]) for s in STILLS if s.file in files}
    console, lines = Console(width=150), checks(clips, stills)
    show(console, clips, stills)
    for line, what, figure, passed in lines:
        console.print(f"{'PASS' if passed else 'FAIL'} ({line}) {what}: {figure:.3f}", highlight=False)
    if arguments.record:
        told = [{"line": a, "what": b, "figure": round(c, 4), "passes": d} for a, b, c, d in lines]
        model = {"name": predictor.judge.identity.name, "sha256": predictor.judge.identity.sha256}
        if model["name"] != "default":
            model["name"] = Path(model["name"]).name
        facts = {"model": model, "checks": told, "clips": clips, "stills": stills}
        print(f"wrote {record.write(arguments.record, facts)}")


if __name__ == "__main__":
    main()
