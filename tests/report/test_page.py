"""The page as a file: what is in it, what cannot get into it, and how large it gets."""

import base64
import dataclasses
import itertools
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from doubles import LABELS, synthetic
from maedfer.errors import OutputError
from maedfer.report import UNSURE, ModelIdentity, Portrait, Prediction, Settings, WindowPrediction
from maedfer.report.page import write_page
from maedfer.report.page_data import stories, thinned
from maedfer.report.page_view import classes, described
from maedfer.report.page_words import clock, confidence_percent, duration, made_visible, share
from maedfer.video.types import Window

HOSTILE = "</script><script>alert(1)</script>.mp4"


class Structure(HTMLParser):
    """Elements with their attributes, the ids, and the text of each script."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag == "script"
        if self._inside:
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.scripts[-1] += data


def written(prediction: Prediction, folder: Path) -> tuple[str, Structure, dict[str, Any]]:
    """The page's text, its elements and its data."""
    path = write_page(prediction, folder / "report.html")
    assert path == folder / "report.html"
    text = path.read_text(encoding="utf-8")
    structure = Structure(text)
    return text, structure, json.loads(structure.scripts[0])


def starts_and_ends(packed: list[int]) -> list[tuple[int, int]]:
    times, start = [], 0
    for step, length, count in zip(packed[::3], packed[1::3], packed[2::3], strict=True):
        for _ in range(count):
            start += step
            times.append((start, start + length))
    return times


def in_rows(numbers: list[int], width: int) -> list[tuple[int, ...]]:
    return [tuple(numbers[i : i + width]) for i in range(0, len(numbers), width)]


@pytest.mark.parametrize("smoothing_s", [0.0, 2.0])
def test_the_numbers_come_back(tmp_path: Path, smoothing_s: float) -> None:
    prediction = synthetic(60.0, 2).reread(smoothing_s=smoothing_s)
    _, _, data = written(prediction, tmp_path)
    assert data["labels"] == list(LABELS)
    assert (data["duration"], data["hop"], data["threshold"], data["every"]) == (60_000, 1280, 500, 1)
    assert sorted(face["track"] for face in data["faces"]) == [0, 1]
    for face in data["faces"]:
        windows = [window for window in prediction.windows if window.track == face["track"]]
        answers = prediction.answers(face["track"])
        expected = [(window.start_s, window.end_s) for window in windows]
        assert np.array(starts_and_ends(face["times"])) / 1000 == pytest.approx(np.array(expected), abs=5.1e-4)
        raw = np.array(in_rows(face["raw"], len(LABELS))) / 1000
        assert raw == pytest.approx(np.array([window.probabilities for window in windows]), abs=5.1e-4)
        if smoothing_s:
            smooth = np.array(in_rows(face["smooth"], len(LABELS))) / 1000
            assert smooth == pytest.approx(np.array([answer.probabilities for answer in answers]), abs=5.1e-4)
        else:
            assert face["smooth"] is None


def test_every_span_is_in_the_data_and_in_the_table(tmp_path: Path) -> None:
    prediction = synthetic(60.0, 2)
    text, _, data = written(prediction, tmp_path)
    for face in data["faces"]:
        segments = prediction.segments(face["track"])
        names = ["unsure", *LABELS]
        got = [(start / 1000, end / 1000, names[label + 1]) for start, end, label, _ in in_rows(face["spans"], 4)]
        assert [label for *_, label in got] == [segment.label for segment in segments]
        wanted = np.array([(segment.start_s, segment.end_s) for segment in segments])
        assert np.array([times for *times, _ in got]) == pytest.approx(wanted, abs=5.1e-4)
        for segment in segments:
            assert f"<td>{clock(segment.start_s)}</td><td>{clock(segment.end_s)}</td>" in text


def test_pictures_come_back(tmp_path: Path) -> None:
    prediction = synthetic(30.0, 1)
    _, _, data = written(prediction, tmp_path)
    (face,) = data["faces"]
    pictures = [
        (time / 1000, base64.b64decode(jpeg)) for time, jpeg in zip(face["pictures"], face["jpegs"], strict=True)
    ]
    assert [jpeg for _, jpeg in pictures] == [portrait.jpeg for portrait in prediction.portraits]
    assert [time for time, _ in pictures] == pytest.approx(
        [portrait.time_s for portrait in prediction.portraits], abs=5.1e-4
    )


def test_runs_and_gaps_share_the_time_without_overlap(tmp_path: Path) -> None:
    prediction = synthetic(60.0, 1)
    _, _, data = written(prediction, tmp_path)
    (face,) = data["faces"]
    runs = [(start, end) for _, start, end in in_rows(face["runs"], 3)]
    gaps = in_rows(face["gaps"], 2)
    assert len(runs) == 2
    assert gaps, "seen too rarely for four windows, so some time is in no judged window"
    ordered = sorted([*runs, *gaps])
    assert all(one[1] <= two[0] for one, two in itertools.pairwise(ordered))
    blind = [(window.start_s, window.end_s) for window in prediction.unseen]
    assert ordered[1][0] == runs[0][1]
    assert ordered[-2][1] == runs[1][0]
    assert min(start for start, _ in blind) < ordered[1][0] / 1000 < max(end for _, end in blind)


def test_a_hostile_name_stays_text(tmp_path: Path) -> None:
    calm = synthetic(20.0, 1)
    labels = ("</script><img src=x onerror=alert(1)>", "'\"><b>", *LABELS[2:])
    windows = tuple(dataclasses.replace(window, label=labels[LABELS.index(window.label)]) for window in calm.windows)
    hostile = dataclasses.replace(
        calm,
        video=dataclasses.replace(calm.video, source=f"clips/{HOSTILE}", codec="<i>h264"),
        labels=labels,
        windows=windows,
        model=ModelIdentity("<script>alert(2)</script>", None, "0.1"),
    )
    # The name after the last "/" is what a file system would call the file; the source is shown whole.
    text, structure, data = written(hostile, tmp_path)
    _, calm_structure, _ = written(calm, tmp_path)
    assert len(structure.scripts) == len(calm_structure.scripts) == 2
    tags = [tag for tag, _ in structure.elements]
    assert tags.count("script") == 2
    assert "i" not in tags
    assert not [attributes for _, attributes in structure.elements if any(name.startswith("on") for name in attributes)]
    assert data["labels"] == list(labels)
    assert "&lt;script&gt;alert(1)" in text
    assert "alert(1)</script>" not in text


def test_names_that_cannot_be_written_or_seen_become_signs(tmp_path: Path) -> None:
    source = "a\udcff\u202egpj.\x00mp4"
    prediction = synthetic(10.0, 1)
    video = dataclasses.replace(prediction.video, source=source)
    text, _, _ = written(dataclasses.replace(prediction, video=video), tmp_path)
    assert "<bdi>a\ufffd\ufffdgpj.\ufffdmp4</bdi>" in text
    assert made_visible("Ünïcode 名前 👩‍🔬.mp4") == "Ünïcode 名前 👩‍🔬.mp4"


def test_nothing_is_loaded_and_only_the_own_script_may_run(tmp_path: Path) -> None:
    text, structure, _ = written(synthetic(20.0, 2), tmp_path)
    (policy,) = [
        attributes["content"] or ""
        for tag, attributes in structure.elements
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in text
    for tag, attributes in structure.elements:
        assert tag not in {"iframe", "object", "embed", "form", "audio", "video", "base"}
        for name in ("src", "href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:")), (tag, attributes)
        assert "style" not in attributes, "the policy forbids style attributes"


def test_a_reader_with_a_screen_reader_finds_the_way(tmp_path: Path) -> None:
    prediction = synthetic(20.0, 2)
    text, structure, _ = written(prediction, tmp_path)
    tags = [tag for tag, _ in structure.elements]
    assert dict(structure.elements)["html"] == {"lang": "en"}
    assert tags.count("h1") == tags.count("main") == 1
    ids = [attributes["id"] for _, attributes in structure.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    sliders = [attributes for _, attributes in structure.elements if attributes.get("role") == "slider"]
    assert [slider["aria-label"] for slider in sliders] == [
        f"face {story.track}, probabilities over time" for story in stories(prediction)
    ]
    assert all("alt" in attributes for tag, attributes in structure.elements if tag == "img")
    labelled = {
        attributes["aria-labelledby"] for _, attributes in structure.elements if "aria-labelledby" in attributes
    }
    assert labelled <= set(ids)
    assert all(f"(prefers-{wish}" in text for wish in ("color-scheme: dark", "reduced-motion: reduce"))


def test_a_page_says_that_no_face_was_found_and_why(tmp_path: Path) -> None:
    nothing = dataclasses.replace(
        synthetic(20.0, 1),
        windows=(),
        portraits=(),
        unseen=(Window(None, 0.0, 2.56, 0.0), Window(None, 1.28, 3.84, 0.0)),
    )
    text, structure, data = written(nothing, tmp_path)
    assert "The face detector found no face" in text
    assert "16 pixels" in text
    assert "100\u00a0% of the video&#39;s windows (2 of 2)" in text
    assert data["faces"] == []
    assert "slider" not in [attributes.get("role") for _, attributes in structure.elements]
    rare = dataclasses.replace(nothing, unseen=(Window(0, 0.0, 2.56, 0.2),))
    assert "never long enough to judge it" in written(rare, tmp_path)[0]


def test_faces_come_by_judged_time_and_brief_ones_without_timeline(tmp_path: Path) -> None:
    prediction = synthetic(40.0, 3)
    windows = [window for window in prediction.windows if window.track != 0 or window.start_s < 10]
    windows = [window for window in windows if window.track != 1 or window.start_s == 0]
    text, _, data = written(dataclasses.replace(prediction, windows=tuple(windows)), tmp_path)
    assert [face["track"] for face in data["faces"]] == [2, 0]
    assert "Briefly seen" in text
    assert "<b>Face 1</b>" in text


def test_a_clip_of_one_window_has_its_timeline(tmp_path: Path) -> None:
    text, _, data = written(synthetic(2.56, 1), tmp_path)
    assert [face["track"] for face in data["faces"]] == [0]
    assert data["faces"][0]["runs"] == [0, 0, 2560]
    assert "Briefly seen" not in text


def test_it_says_how_it_was_made_and_what_was_not_judged(tmp_path: Path) -> None:
    prediction = synthetic(60.0, 2)
    text, _, _ = written(prediction, tmp_path)
    rare = len(prediction.unseen)
    for fact in (
        "SHA-256 abababababab…",
        "maedfer 0.1",
        "CenterFace",
        "An expression shown is not an emotion felt.",
        f"({rare} of {rare + len(prediction.windows)})",
        "at least 50\u00a0%",
        "2.56 s, every 1.28 s",
        "1280 × 720 pixels, h264",
    ):
        assert fact in text
    assert "Gaussian" not in text
    assert "Gaussian of 2 s" in written(prediction.reread(smoothing_s=2.0), tmp_path)[0]


def test_ten_minutes_of_two_faces_stay_small(tmp_path: Path) -> None:
    prediction = synthetic(600.0, 2)
    sizes = [len(portrait.jpeg) for portrait in prediction.portraits]
    assert 1500 < np.mean(sizes) < 3500
    assert len(sizes) > 900
    text, _, _ = written(prediction.reread(smoothing_s=2.0), tmp_path)
    assert len(text.encode()) < 6_000_000


def test_ten_hours_stay_bounded(tmp_path: Path) -> None:
    prediction = synthetic(36_000.0, 3, hop_s=2.56, pictures_every=10)
    text, _, data = written(prediction, tmp_path)
    assert len(text.encode()) < 6_000_000
    assert data["every"] == 1
    assert sum(len(jpeg) for face in data["faces"] for jpeg in face["jpegs"]) <= 3_500_000
    assert all(len(face["times"]) < 30 for face in data["faces"]), "a regular grid takes a few numbers"


def test_a_page_with_too_many_numbers_keeps_every_kth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prediction = synthetic(120.0, 2)
    monkeypatch.setattr("maedfer.report.page_data._MOST_VALUES", 600)
    text, _, data = written(prediction, tmp_path)
    assert data["every"] > 1
    kept = sum(len(face["raw"]) for face in data["faces"])
    assert kept <= 600 + 4 * len(LABELS), "a run may keep one more than its share"
    assert f"one judgement in {data['every']}" in text
    for face in data["faces"]:
        known = {(round(1000 * w.start_s), round(1000 * w.end_s)) for w in prediction.windows}
        assert set(starts_and_ends(face["times"])) <= known
        assert len(face["spans"]) == 4 * len(prediction.segments(face["track"]))


def test_portraits_are_thinned_to_the_limit_and_no_further() -> None:
    own = [Portrait(0, float(i), bytes(3000)) for i in range(2000)]
    (kept,) = thinned([own])
    size = sum(len(base64.b64encode(portrait.jpeg)) for portrait in kept)
    assert 1_700_000 < size <= 3_500_000
    assert kept[0] == own[0]
    assert thinned([own[:10], []]) == [own[:10], []]
    assert thinned([]) == []


def test_stories_agree_with_the_prediction() -> None:
    prediction = synthetic(60.0, 2).reread(smoothing_s=1.5)
    for story in stories(prediction):
        assert story.answers == prediction.answers(story.track)
        assert story.segments == prediction.segments(story.track)
        assert story.summary == prediction.summary(story.track)


def test_a_folder_that_cannot_be_made_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        write_page(synthetic(10.0, 1), tmp_path / "file" / "report.html")


def test_words_for_times_and_shares() -> None:
    assert [clock(0.0), clock(59.96), clock(3723.46)] == ["0:00.0", "1:00.0", "1:02:03.5"]
    assert [duration(4.5), duration(59.99), duration(750.0), duration(11_100.0)] == [
        "4.5 s",
        "1 min",
        "12 min 30 s",
        "3 h 5 min",
    ]
    assert [duration(3599.6), duration(3600.0)] == ["1 h", "1 h"]
    shares = [share(part).replace("\u00a0", " ") for part in (0.0, 0.004, 0.5, 0.997, 1.0)]
    assert shares == ["0 %", "< 1 %", "50 %", "99 %", "100 %"]
    assert " " not in share(0.004), "a number stays with its sign at the end of a line"
    assert [confidence_percent(UNSURE, value) for value in (0.4999, 0.29, 0.49)] == [49, 29, 49]
    assert [confidence_percent("sad", value) for value in (0.4999, 0.506)] == [50, 51]


def said(*spans: tuple[str, float], labels: tuple[str, ...] = LABELS) -> Prediction:
    """One face; each window of 2 s touches the next and gives its label the probability that stands beside it."""
    windows = []
    for i, (label, value) in enumerate(spans):
        rest = (1 - value) / (len(labels) - 1)
        values = tuple(value if name == label else rest for name in labels)
        windows.append(WindowPrediction(0, 2.0 * i, 2.0 * i + 2, label, value, values, 1.0))
    calm = dataclasses.replace(synthetic(2.56, 1), labels=labels, windows=tuple(windows), portraits=())
    return dataclasses.replace(calm, duration_s=20.0, settings=Settings(2.0, 2.0, 0.5, "cpu", "CenterFace"))


def headline(text: str) -> str:
    """Of the only face, as it is read."""
    (found,) = re.findall(r'<p class="headline">(.*?)</p>', text)
    return re.sub("<[^>]*>", "", found).replace("\u00a0", " ")


def test_a_headline_never_hides_that_most_is_unsure(tmp_path: Path) -> None:
    unsure, fear = ("fear", 0.3), ("fear", 0.9)
    assert headline(written(said(*[unsure] * 8, fear), tmp_path)[0]) == "mostly unsure 89 %, then fear 11 %"
    assert headline(written(said(unsure, fear), tmp_path)[0]) == "mostly unsure 50 %, then fear 50 %"
    assert headline(written(said(unsure, fear, fear), tmp_path)[0]) == "most often fear 67 %, unsure 33 %"
    assert headline(written(said(fear), tmp_path)[0]) == "most often fear 100 %"
    text, _, _ = written(said(unsure), tmp_path)
    assert headline(text) == "always unsure"
    assert text.count("2.0 s of 20.0 s judged") == 2
    assert "judged, 1 window;" in text


def test_what_lies_beyond_unsure_is_counted_apart(tmp_path: Path) -> None:
    text, _, _ = written(said(("happy", 0.9), ("sad", 0.9), ("sad", 0.3), ("happy", 0.9)), tmp_path)
    assert "<bdi>happy</bdi> → <bdi>sad</bdi> <small>1 ×</small>" in text
    assert "<bdi>sad</bdi> → <bdi>happy</bdi> <small>via unsure, 1 ×</small>" in text


def test_unsure_is_never_said_with_the_threshold_s_own_number(tmp_path: Path) -> None:
    text, _, _ = written(said(("happy", 0.4996), ("sad", 0.9996)), tmp_path)
    assert "<bdi>unsure</bdi></td><td>49\u00a0%</td>" in text
    assert "<bdi>sad</bdi></td><td>99\u00a0%</td>" in text


def test_labels_that_turn_the_reading_direction_are_made_visible_everywhere(tmp_path: Path) -> None:
    labels = ("a\u202eb", "שמח", "sad")
    text, _, data = written(said(("a\u202eb", 0.9), ("שמח", 0.9), ("sad", 0.9), labels=labels), tmp_path)
    assert data["labels"] == ["a\ufffdb", "שמח", "sad"]
    assert "\u202e" not in text
    assert "\\u202e" not in text
    for name in re.findall(r"[^>]*שמח", text.split("</head>")[1].split("<script")[0]):
        assert name == "שמח" or '="' in name or "Expressions" in name or ", " in name, "each stands in its own <bdi>"
    assert text.count("<bdi>שמח</bdi>") >= 5


def test_a_picture_at_the_window_s_border_is_not_far() -> None:
    prediction = said(("sad", 0.9))
    for time, far in ((2.0004, False), (2.5, True)):
        (face,) = stories(dataclasses.replace(prediction, portraits=(Portrait(0, time, b"jpeg"),)))
        (moment,) = described(face, prediction).moments
        assert (moment.far is not None) is far


def test_an_expression_has_the_same_pattern_in_every_model() -> None:
    seven = {one.label: one.motif for one in classes(LABELS)}
    other = {one.label: one.motif for one in classes(("boredom", "fear", "anger", "neutral", "contempt", "joyless"))}
    assert seven["neutral"] == other["neutral"] == -1
    assert (seven["fear"], seven["angry"]) == (other["fear"], other["anger"])
    assert len(set(seven.values())) == len(seven)
    assert len(set(other.values())) == len(other)
    many = [one.motif for one in classes([f"class {i}" for i in range(40)])]
    assert set(many) == set(range(14))


def test_each_pattern_can_be_drawn_and_differs(tmp_path: Path) -> None:
    labels = tuple(f"class {i}" for i in range(14))
    text, _, _ = written(said(("class 3", 0.9), labels=labels), tmp_path)
    drawn = re.findall(r'<g class="motif on-\w+">\s*(.*?)\s*</g>', text, re.DOTALL)
    assert len(set(drawn)) == len(drawn) == 14
