"""Properties of settings, without the hook that checks annotations: python settings_properties.py FOLDER."""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1]))

from fuzzing.changed_weights import AUTOENCODER, CLASSIFIERS, load_changed, one_line, save_all
from maedfer.config_json import from_json, to_json
from maedfer.errors import ConfigError
from maedfer.models import embedding, stem
from maedfer.weights import CONFIG_FILE

FIELDS = sorted({name for config in (*CLASSIFIERS, AUTOENCODER) for name in json.loads(to_json(config))} - {"type"})
INNER = sorted(json.loads(to_json(CLASSIFIERS[0]))["encoder"])

ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-2, 70_000), st.floats(), st.text(max_size=12),
    st.sampled_from(["\ud800", "a\nb", "ClassifierConfig", "DecoderConfig", "places", 1e308, 2**63, 65_536, 10**400]),
    st.lists(st.one_of(st.integers(-1, 9), st.text(max_size=3), st.none()), max_size=4),
    st.dictionaries(st.sampled_from(["type", "depth", ""]), st.sampled_from(["ViTConfig", [], 3, None]), max_size=2),
)  # fmt: skip
QUIET = settings(max_examples=80, derandomize=True, deadline=None, database=None)


def watched(count: int, dim: int) -> torch.Tensor:
    """Positions are the one thing that settings alone could make large."""
    assert count * dim <= 1 << 24, (count, dim)
    return torch.zeros(count, dim, device="cpu")


@QUIET
@given(which=st.integers(0, 3), field=st.sampled_from([*FIELDS, "odd\nname"]), value=ODD)
@example(which=0, field="encoder", value=3)
@example(which=0, field="encoder", value={"type": "DecoderConfig"})
@example(which=3, field="decoder", value={"type": "ViTConfig"})
@example(which=0, field="encoder", value={"type": []})
@example(which=0, field="labels", value=[1, 2, 3, 4, 5, 6, 7])
@example(which=0, field="labels", value=["a", "b\nc", "d", "e", "f", "g", "h"])
@example(which=0, field="labels", value="abcdefg\ud800")
def odd_values(which: int, field: str, value: Any) -> None:
    known = json.loads((FOLDERS[which] / CONFIG_FILE).read_text())
    load_changed(FOLDERS[which], json.dumps(known | {field: value}))


@QUIET
@given(which=st.integers(0, 3), part=st.sampled_from(["encoder", "decoder"]), field=st.sampled_from(INNER), value=ODD)
@example(which=1, part="encoder", field="stem_width", value=2**16)
@example(which=1, part="encoder", field="stem_width", value=True)
@example(which=1, part="encoder", field="stem_width", value="8")
@example(which=1, part="encoder", field="stem_width", value=8.0)
@example(which=1, part="encoder", field="stem_width", value=-8)
@example(which=1, part="encoder", field="patch_size", value=2)
@example(which=0, part="encoder", field="stem_width", value=8)
@example(which=3, part="decoder", field="mlp_ratio", value=float("inf"))
@example(which=3, part="decoder", field="mlp_ratio", value="4")
@example(which=0, part="encoder", field="global_step", value="no")
def odd_values_of_parts(which: int, part: str, field: str, value: Any) -> None:
    known = json.loads((FOLDERS[which] / CONFIG_FILE).read_text())
    if part in known:
        known[part][field] = value
        load_changed(FOLDERS[which], json.dumps(known))


@QUIET
@given(start=st.integers(0, 900), stop=st.integers(0, 900), text=st.text(max_size=20))
def hardly_json(start: int, stop: int, text: str) -> None:
    whole = (FOLDERS[1] / CONFIG_FILE).read_text()
    load_changed(FOLDERS[1], whole[:start] + text + whole[max(start, stop) :])


def settings_without_end() -> None:
    for depth in (3, 200, 400, 800, 5000):
        inner = '{"type": "ClassifierConfig", "encoder": ' * depth + "{}" + "}" * depth
        try:
            from_json(inner)
        except ConfigError as error:
            proper = one_line(error)
        else:
            proper = False
        assert proper, depth


if __name__ == "__main__":
    FOLDERS = save_all(Path(sys.argv[1]))
    embedding.sincos_positions = stem.sincos_positions = watched
    for check in (odd_values, odd_values_of_parts, hardly_json, settings_without_end):
        check()
