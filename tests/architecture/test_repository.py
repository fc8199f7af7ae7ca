"""What may lie in the repository: no media of others, nothing heavy, nothing that only holds on one machine."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

LARGEST_BYTES = 12_000_000
MEDIA = {".avi", ".gif", ".mkv", ".mov", ".webm", ".pth", ".pt", ".ckpt"}
TOP_FOLDERS = ("work", "tmp", "root", "home", "opt", "mnt")  # of a machine; put together so that this file passes
HOSTS = ("pypi" + ".org", "pythonhosted" + ".org", "npmjs" + ".org", "deb.debian" + ".org", "download.pytorch" + ".org")
MACHINE_PATH = re.compile(r"(?<![\w.\-/}])/(?:" + "|".join(TOP_FOLDERS) + r")/")


def kept_files() -> list[Path]:
    """Files that git tracks, or would with the next `git add`."""
    try:
        done = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout: which files belong to the repository is not known")
    paths = [ROOT / name for name in done.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


def text_of(path: Path) -> str | None:
    """The text of a file, ``None`` for a binary one."""
    data = path.read_bytes()
    if b"\0" in data[:4096]:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_no_file_is_heavy() -> None:
    sizes = {name_of(path): path.stat().st_size for path in kept_files()}
    assert not {name: size for name, size in sizes.items() if size > LARGEST_BYTES}


def test_no_foreign_media_and_no_pickled_weights() -> None:
    assert not [name_of(path) for path in kept_files() if path.suffix.lower() in MEDIA]


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    wrong = []
    for path in kept_files():
        for number, line in enumerate((text_of(path) or "").splitlines(), start=1):
            if MACHINE_PATH.search(line) or any(host in line for host in HOSTS):
                wrong.append(f"{name_of(path)}:{number}: {line.strip()[:80]}")
    assert not wrong


def test_constraints_pin_each_package_once_by_name_and_version() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert not [line for line in pins if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9A-Za-z.]*", line)]
    assert len({normal(line.split("==")[0]) for line in pins}) == len(pins)


def test_constraints_cover_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {normal(line.split("==")[0]) for line in lines}
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["train"], *extras["synth"], *extras["dev"]]
    names = {normal(re.split(r"[\[<>=!~; ]", entry)[0]) for entry in wanted}
    assert names - pinned == {"maedfer"}


def normal(name: str) -> str:
    """The name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()
