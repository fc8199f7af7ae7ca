"""What is installed: extras that exist, files that fit the commands, and a wheel that is light and whole."""

import re
import shlex
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from maedfer.cli import main

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
LARGEST = 20_000_000


def test_the_extras_are_those_of_the_documentation() -> None:
    documented = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/install.md").read_text(encoding="utf-8"), re.M))
    assert documented == set(EXTRAS) - {"dev"}


def test_all_is_all() -> None:
    (everything,) = EXTRAS["all"]
    assert set(everything.removeprefix("maedfer[").removesuffix("]").split(",")) == set(EXTRAS) - {"all", "dev"}


def test_the_base_needs_none_of_what_only_an_extra_brings() -> None:
    names = {re.split(r"[\[<>=!~; ]", line)[0].lower() for line in PROJECT["dependencies"]}
    heavy = {
        "accelerate",
        "pandas",
        "pyarrow",
        "transformers",
        "huggingface-hub",
        "ray",
        "fastapi",
        "onnxruntime",
        "anny",
    }
    assert not names & heavy


def test_the_service_of_systemd_gives_options_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "packaging/maedfer.service").read_text(encoding="utf-8")
    commands = [shlex.split(line) for line in re.findall(r"^ExecStart\w*=(.*)$", text, re.M)]
    assert [command[1] for command in commands] == ["doctor", "serve"]
    for command in commands:
        assert main([command[1], "--help"]) == 0
        said = capsys.readouterr().out
        assert all(word in said for word in command[2:] if word.startswith("--"))


def test_the_image_copies_what_exists() -> None:
    text = (ROOT / "packaging/Dockerfile").read_text(encoding="utf-8")
    copied = [line.split()[1:-1] for line in re.findall(r"^(COPY (?!--from).*)$", text, re.M)]
    assert [name for names in copied for name in names if not (ROOT / name).exists()] == []


@pytest.mark.slow
def test_the_wheel_is_light_and_carries_what_prediction_needs(tmp_path: Path) -> None:
    asked = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)]
    subprocess.run(asked, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("maedfer-*.whl")
    assert wheel.stat().st_size < LARGEST
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    for name in ("default/model.safetensors", "default/MODEL_CARD.md", "sample/sample.mp4", "page/page.html.jinja"):
        assert f"maedfer/assets/{name}" in names
    assert not [name for name in names if not name.startswith(("maedfer/", "maedfer-"))]
