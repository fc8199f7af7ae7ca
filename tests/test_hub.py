"""Models by name: fetched once, pinned, refused when they change; cards; nothing sent by a dry run."""

import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import maedfer
from fake_hub import REPOSITORY, FakeHub, running
from maedfer import load_model, push_to_hub
from maedfer.config import AutoencoderConfig, ClassifierConfig, DecoderConfig, LGIFormerConfig
from maedfer.emotions import label_set
from maedfer.errors import ConfigError, WeightsError
from maedfer.hub import KNOWN_WEIGHTS, ModelCard, from_pretrained, locate, write_folder
from maedfer.hub.cache import read_seen
from maedfer.models import ExpressionClassifier, MaskedAutoencoder
from maedfer.weights import fingerprint, save_model, write_official

huggingface_hub = pytest.importorskip("huggingface_hub")

TINY = LGIFormerConfig(image_size=32, embed_dim=16, depth=1, num_heads=2, region_size=(2, 1, 2))
SECRET = "hf_thisTokenMustNeverBeShown"


def classifier(seed: int = 0) -> ExpressionClassifier:
    torch.manual_seed(seed)
    return ExpressionClassifier(ClassifierConfig(encoder=TINY, labels=("happy", "sad", "neutral")))


def same(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    states = first.state_dict(), second.state_dict()
    return all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def files_of(model: ExpressionClassifier, folder: Path) -> dict[str, bytes]:
    save_model(model, folder)
    return {name: (folder / name).read_bytes() for name in ("config.json", "model.safetensors")}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MAEDFER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setenv("HF_TOKEN", SECRET)
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
    return tmp_path / "cache"


@pytest.fixture
def hub(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with running(FakeHub()) as there:
        monkeypatch.setenv("HF_ENDPOINT", there.address)
        yield there


def test_fetched_once_then_without_the_network(hub: FakeHub, tmp_path: Path) -> None:
    model = classifier()
    commit = hub.commit(files_of(model, tmp_path / "a"))
    assert same(load_model(REPOSITORY), model)
    assert any(authorization == f"Bearer {SECRET}" for _, _, authorization in hub.asked)
    asked = len(hub.asked)
    hub.refuse = 503
    assert same(from_pretrained(REPOSITORY), model)
    assert len(hub.asked) == asked
    assert locate(REPOSITORY).name == commit  # what the branch meant is remembered
    seen = read_seen(f"{REPOSITORY}@main")
    assert seen is not None
    assert (seen.commit, seen.sha256) == (commit, fingerprint(locate(REPOSITORY)))


def test_a_branch_that_moves_is_followed_only_when_asked(hub: FakeHub, tmp_path: Path) -> None:
    old, new = classifier(0), classifier(1)
    first = hub.commit(files_of(old, tmp_path / "a"))
    assert same(load_model(REPOSITORY), old)
    hub.commit(files_of(new, tmp_path / "b"))
    assert same(load_model(REPOSITORY), old)
    assert same(load_model(REPOSITORY, refresh=True), new)
    assert same(load_model(REPOSITORY), new)
    assert same(load_model(REPOSITORY, revision=first), old)
    assert same(load_model(f"{REPOSITORY}@{first}"), old)
    with pytest.raises(WeightsError, match="two revisions"):
        load_model(f"{REPOSITORY}@{first}", revision="main")


def test_a_download_with_another_hash_is_refused_and_removed(hub: FakeHub, tmp_path: Path) -> None:
    hub.commit(files_of(classifier(), tmp_path / "a"))
    hub.claimed = "0" * 64
    with pytest.raises(WeightsError, match=r"SHA-256 0{64}.*removed"):
        load_model(REPOSITORY)
    assert not list((tmp_path / "hub-cache").rglob("model.safetensors"))
    hub.claimed = None
    load_model(REPOSITORY)


def test_weights_that_change_in_the_cache_are_refused(hub: FakeHub, tmp_path: Path) -> None:
    hub.commit(files_of(classifier(), tmp_path / "a"))
    weights = (locate(REPOSITORY) / "model.safetensors").resolve()
    save_model(classifier(1), tmp_path / "b")
    weights.write_bytes((tmp_path / "b" / "model.safetensors").read_bytes())
    os.utime(weights, ns=(1, 1))
    with pytest.raises(WeightsError, match="file changed"):
        load_model(REPOSITORY)


def test_a_hash_of_the_caller_is_held(tmp_path: Path) -> None:
    folder = save_model(classifier(), tmp_path / "a")
    assert same(load_model(folder, sha256=fingerprint(folder).upper()), classifier())
    with pytest.raises(WeightsError, match="they are not those"):
        load_model(folder, sha256="1" * 64)


def test_an_interrupted_download_leaves_nothing_under_a_final_name(hub: FakeHub, tmp_path: Path) -> None:
    hub.commit(files_of(classifier(), tmp_path / "a"))
    hub.cut = 100
    with pytest.raises(WeightsError, match="not to be had"):
        load_model(REPOSITORY)
    assert not list((tmp_path / "hub-cache").rglob("model.safetensors"))
    assert read_seen(f"{REPOSITORY}@main") is None
    hub.cut = None
    assert same(load_model(REPOSITORY), classifier())


@pytest.mark.parametrize("status", [401, 404, 500])
def test_a_refusal_says_what_to_do_and_never_the_token(
    hub: FakeHub, tmp_path: Path, status: int, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    hub.refuse = status
    with pytest.raises(WeightsError, match="By hand") as refused:
        load_model(REPOSITORY)
    with pytest.raises(WeightsError, match="dry_run") as kept:
        push_to_hub(classifier(), REPOSITORY, ModelCard("Faces", "mit"))
    said = capsys.readouterr()
    for text in (str(refused.value), str(kept.value), said.out, said.err, caplog.text):
        assert SECRET not in text
    for error in (refused.value, kept.value):
        assert error.__suppress_context__


def test_a_repository_of_another_library_is_refused(hub: FakeHub) -> None:
    hub.commit({"pytorch_model.bin": b"x"})
    with pytest.raises(WeightsError, match="another library"):
        load_model(REPOSITORY)


def test_without_the_extra_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(WeightsError, match=re.escape("pip install 'maedfer[hf]'")):
        load_model("owner/name")


def test_pushed_and_loaded_again(hub: FakeHub) -> None:
    model = classifier()
    commit = push_to_hub(model, REPOSITORY, ModelCard("Faces", "mit", scores={"UAR, ours": "50.0 %"}))
    assert set(hub.commits[commit]) == {"config.json", "model.safetensors", "README.md", "preprocessor_config.json"}
    assert same(load_model(REPOSITORY, revision=commit), model)


def test_a_dry_run_writes_the_folder_and_sends_nothing(hub: FakeHub, tmp_path: Path) -> None:
    card = ModelCard("Faces | of discs", "cc-by-nc-4.0", scores={"WAR, discs": "61.5 %"}, training_data="Discs.")
    place = Path(push_to_hub(classifier(), REPOSITORY, card, dry_run=tmp_path / "dry"))
    assert hub.asked == []
    text = (place / "README.md").read_text()
    assert text.startswith("---\nlibrary_name: maedfer\nlicense: cc-by-nc-4.0\n")
    for part in ("happy, sad, neutral", "61.5 %", "Discs.", "Not for.", fingerprint(place), "16 frames of 32x32"):
        assert part in text
    assert same(load_model(place), classifier())


def test_the_card_counts_what_is_computed() -> None:
    """41.502 G multiply-adds and 84,878,343 parameters: see tests/models/test_costs.py."""
    with torch.device("meta"):
        model = ExpressionClassifier(ClassifierConfig())
    text = ModelCard("Released sizes", "mit").text(model, "0" * 64)
    assert "| Multiply-adds a clip | 41.502 G |" in text
    assert "| Parameters | 84,878,343 |" in text
    assert "not measured" in text
    with pytest.raises(ConfigError, match="licence"):
        ModelCard("x", " ")


def test_an_autoencoder_has_a_card_without_labels(tmp_path: Path) -> None:
    config = AutoencoderConfig(encoder=TINY, decoder=DecoderConfig(embed_dim=16, depth=1, num_heads=2))
    folder = write_folder(MaskedAutoencoder(config), tmp_path / "a", ModelCard("Pre-trained", "mit"))
    text = (folder / "README.md").read_text()
    assert "Labels" not in text
    assert "pipeline_tag" not in text
    assert isinstance(load_model(folder), MaskedAutoencoder)


def test_known_weights_name_their_scores_labels_and_terms() -> None:
    facts = json.loads((Path(__file__).parent / "parity/reference/published_facts.json").read_text())
    folds = facts["DFEW folds (UAR/WAR, %)"]
    for number, (uar, war) in enumerate(folds, start=1):
        known = KNOWN_WEIGHTS[f"mae-dfer-dfew-fold{number}"]
        assert (known.uar, known.war) == (uar, war)
        assert list(label_set(known.label_set or "").labels) == facts["labels, in index order"]["DFEW"]
    assert len({known.link for known in KNOWN_WEIGHTS.values()}) == len(KNOWN_WEIGHTS)
    assert all(known.terms and known.link.startswith("https://") for known in KNOWN_WEIGHTS.values())


def test_known_weights_come_by_hand_and_are_trusted_on_first_use(cache: Path) -> None:
    name = "mae-dfer-dfew-fold1"
    with pytest.raises(WeightsError, match=r"download the \.pth and move it there") as missing:
        load_model(name)
    assert KNOWN_WEIGHTS[name].link in str(missing.value)
    place = KNOWN_WEIGHTS[name].place
    assert place.is_relative_to(cache)
    # As long as there is no hash by its authors, the first one is ours.
    model = ExpressionClassifier(ClassifierConfig(encoder=LGIFormerConfig(depth=1, embed_dim=64)))
    place.parent.mkdir(parents=True)
    write_official(model, place)
    assert locate(name) == place
    seen = read_seen(name)
    assert seen is not None
    assert seen.sha256 == hashlib.sha256(place.read_bytes()).hexdigest()
    place.write_bytes(place.read_bytes() + b"x")
    with pytest.raises(WeightsError, match="file changed"):
        locate(name)


def test_what_is_nothing_is_said(cache: Path) -> None:
    for name in ("no-such", "a/b/c", "owner/file.pth", ""):
        if name:
            with pytest.raises(WeightsError, match="there is nothing there"):
                locate(name)
    assert maedfer.load_model is load_model
