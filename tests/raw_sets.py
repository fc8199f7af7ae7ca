"""Trees with the names of the public sets and tiny clips in them."""

from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np

from maedfer.video import write_video

#: (label, fold, split) of a clip by its path.
Expected = dict[str, tuple[str, int | None, str]]


def pictures(seed: int, count: int = 6, side: int = 32) -> list[np.ndarray]:
    """Coarse noise, another one for each seed: compresses to something, shows no face."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (count, 4, 4, 3), dtype=np.uint8)
    return [cv2.resize(image, (side, side), interpolation=cv2.INTER_LINEAR) for image in coarse]


def video(path: Path, seed: int, fps: float = 25.0, count: int = 20) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, pictures(seed, count), fps)


def frames(folder: Path, images: list[np.ndarray], suffix: str = ".jpg") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images, start=1):
        cv2.imwrite(str(folder / f"{number:05d}{suffix}"), image[..., ::-1])


def lines(path: Path, rows: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(rows) + "\n")


def ravdess(root: Path) -> Expected:
    names = {
        "01": ("neutral", 1, "01"),
        "05": ("angry", 2, "05"),
        "09": ("surprised", 3, "08"),
        "24": ("calm", 6, "02"),
    }
    expected: Expected = {}
    for seed, (actor, (label, fold, code)) in enumerate(names.items()):
        path = f"Actor_{actor}/02-01-{code}-01-01-01-{actor}.mp4"
        video(root / path, seed, 30000 / 1001)
        expected[path] = (label, fold, "")
    video(root / "Actor_01/01-01-01-01-01-01-01.mp4", 90)  # with sound: another copy of the same take
    return expected


def crema_d(root: Path) -> Expected:
    takes = {
        "1001_IEO_ANG_HI": ("anger", 1),
        "1018_TIE_DIS_XX": ("disgust", 1),
        "1019_TIE_FEA_XX": ("fear", 2),
        "1054_TIE_HAP_XX": ("happy", 3),
        "1072_TIE_NEU_XX": ("neutral", 4),
        "1091_TIE_SAD_XX": ("sad", 5),
    }
    for seed, name in enumerate(takes):
        video(root / f"VideoFlash/{name}.mp4", seed, 30000 / 1001)
    return {f"VideoFlash/{name}.mp4": (label, fold, "") for name, (label, fold) in takes.items()}


def enterface05(root: Path) -> Expected:
    takes = {
        "subject 1/anger/sentence 1/s1_an_1": ("anger", 1),
        "subject 10/sadness/sentence 2/s10_sa_2": ("sadness", 1),
        "subject 11/disgust/sentence 5/s11_di_5": ("disgust", 2),
        "subject 28/fear/sentence 1/s28_fe_1": ("fear", 3),
        "subject 37/happiness/sentence 1/s37_ha_1": ("happiness", 4),
        "subject 44/surprise/sentence 1/s44_su_1": ("surprise", 5),
    }
    base = "enterface database/"
    for seed, name in enumerate(takes):
        video(root / f"{base}{name}.mp4", seed)
    video(root / f"{base}subject 6/anger/s6_an.mp4", 91)
    return {f"{base}{name}.mp4": (label, fold, "") for name, (label, fold) in takes.items()}


def dfew(root: Path, images: Mapping[int, list[np.ndarray]] | None = None) -> Expected:
    labels = {1: "happy", 2: "sad", 3: "neutral", 4: "angry", 5: "surprise"}
    for fold in labels:
        train = [f"{clip:05d},{clip}" for clip in labels if clip != fold]
        lines(root / f"EmoLabel_DataSplit/train(single-labeled)/set_{fold}.csv", ["video_name,label", *train])
        lines(
            root / f"EmoLabel_DataSplit/test(single-labeled)/set_{fold}.csv", ["video_name,label", f"{fold:05d},{fold}"]
        )
        shown = pictures(fold, 16) if images is None else images[fold]
        frames(root / f"Clip/jpg_256/{fold:05d}", shown)
    return {f"Clip/jpg_256/{fold:05d}": (label, fold, "") for fold, label in labels.items()}


def ferv39k(root: Path) -> Expected:
    takes = {
        "Action/Happy/0001": ("happy", "train"),
        "Daily/Sad/0002": ("sad", "train"),
        "Crime/Fear/0003": ("fear", "test"),
    }
    for part in ("train", "test"):
        rows = [f"{name} {name.split('/')[1]}" for name, (_, split) in takes.items() if split == part]
        lines(root / f"4_setups/All_scenes/{part}_All.csv", rows)
    for seed, name in enumerate(takes):
        frames(root / "2_ClipsforFaceCrop" / name, pictures(seed, 16))
    return {f"2_ClipsforFaceCrop/{name}": (label, None, split) for name, (label, split) in takes.items()}


def mafw(root: Path) -> Expected:
    labels = {1: "anger", 2: "contempt", 3: "anxiety", 4: "helplessness", 5: "disappointment"}
    for fold in labels:
        train = [f"{clip:05d}.mp4 {label}" for clip, label in labels.items() if clip != fold]
        lines(root / f"split/single/no_caption/set_{fold}/train.txt", train)
        lines(root / f"split/single/no_caption/set_{fold}/test.txt", [f"{fold:05d}.mp4 {labels[fold]}"])
        frames(root / f"data/frames/{fold:05d}", pictures(fold, 16), ".png")
    return {f"data/frames/{fold:05d}": (label, fold, "") for fold, label in labels.items()}


TREES: dict[str, Callable[[Path], Expected]] = {
    "ravdess": ravdess,
    "crema-d": crema_d,
    "enterface05": enterface05,
    "dfew": dfew,
    "ferv39k": ferv39k,
    "mafw": mafw,
}
