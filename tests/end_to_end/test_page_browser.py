"""The page as a reader has it: opened from the disk in a browser without a window, pointed at, zoomed and printed."""

import base64
import dataclasses
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from doubles import synthetic
from maedfer.report import ModelIdentity, Portrait, Prediction, Settings, WindowPrediction
from maedfer.report.colours import colour_of
from maedfer.report.page import write_page
from maedfer.video.types import VideoInfo, Window

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome is installed")

LABELS = ("happy", "sad", "neutral", "angry")
HOP_S, SPAN_S, END_S = 1.28, 2.56, 20.48
# Of the text itself, which may stand out of its element.
_RIGHT = "e => { const r = document.createRange(); r.selectNodeContents(e); return r.getBoundingClientRect().right }"
SCREENSHOT = Path(__file__).parents[2] / "outputs" / "screenshots" / "report.png"


def portrait(track: int, time_s: float) -> Portrait:
    """A picture of one colour, which tells face and time."""
    picture = np.full((72, 72, 3), (80 * track + 40, int(10 * time_s) % 256, 120), np.uint8)
    return Portrait(track, time_s, bytes(cv2.imencode(".jpg", picture)[1]))


def window(track: int, i: int) -> WindowPrediction:
    """Face 0: happy, unsure, then angry; face 1: sad all the time."""
    if track == 1:
        probabilities = (0.1, 0.7, 0.1, 0.1)
    else:
        probabilities = (0.8, 0.1, 0.06, 0.04) if i < 5 else (0.3, 0.2, 0.4, 0.1) if i < 10 else (0.0, 0.05, 0.05, 0.9)
    best = int(np.argmax(probabilities))
    start = i * HOP_S
    return WindowPrediction(track, start, start + SPAN_S, LABELS[best], probabilities[best], probabilities, 1.0)


def scene() -> Prediction:
    """Two faces for 20 s; the second is away for some windows, and is seen too rarely in one."""
    windows = [window(0, i) for i in range(15)] + [window(1, i) for i in (*range(4), *range(9, 15))]
    return Prediction(
        video=VideoInfo("two <b> faces.mp4", 640, 360, END_S, 25.0, "h264", 0),
        duration_s=END_S,
        labels=LABELS,
        model=ModelIdentity("default", "cd" * 32, "0.1"),
        settings=Settings(HOP_S, SPAN_S, 0.5, "cpu", "CenterFace", smoothing_s=0.4),
        windows=tuple(windows),
        unseen=(Window(1, 5 * HOP_S, 5 * HOP_S + SPAN_S, 0.3),),
        faces=(),
        portraits=tuple(portrait(one.track, (one.start_s + one.end_s) / 2) for one in windows),
    )


@dataclasses.dataclass
class Reader:
    """An open page, and what it asked for and complained about."""

    page: "sync_api.Page"
    requests: list[str]
    complaints: list[str]

    def timeline(self, track: int) -> "sync_api.Locator":
        return self.page.locator(f"#face-{track} svg.timeline")

    def tip(self, track: int) -> "sync_api.Locator":
        return self.page.locator(f"#face-{track} .tip")

    def point_at(self, track: int, time_s: float) -> None:
        """Move the mouse over a timeline to a time of the whole video (the plot lies between margins of 46 and 10)."""
        self.timeline(track).scroll_into_view_if_needed()
        box = self.timeline(track).bounding_box()
        assert box is not None
        self.page.mouse.move(box["x"] + 46 + (box["width"] - 56) * time_s / END_S, box["y"] + 90)


@pytest.fixture(scope="module")
def browser() -> Iterator["sync_api.Browser"]:
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


def open_page(browser: "sync_api.Browser", prediction: Prediction, folder: Path, width: int = 1280) -> Reader:
    path = write_page(prediction, folder / "report.html")
    page = browser.new_page(viewport={"width": width, "height": 900})
    reader = Reader(page, [], [])
    page.on("request", lambda request: reader.requests.append(request.url))
    page.on("console", lambda message: reader.complaints.append(message.text))
    page.on("pageerror", lambda error: reader.complaints.append(str(error)))
    page.goto(path.as_uri())
    sync_api.expect(page.locator("svg.timeline .cursor")).to_have_count(page.locator("svg.timeline").count())
    return reader


@pytest.fixture
def reader(browser: "sync_api.Browser", tmp_path: Path) -> Iterator[Reader]:
    opened = open_page(browser, scene(), tmp_path)
    yield opened
    assert opened.complaints == []
    assert [url for url in opened.requests if not url.startswith("data:")] == [(tmp_path / "report.html").as_uri()]
    opened.page.close()


def test_each_face_has_a_timeline_and_the_name_is_only_text(reader: Reader) -> None:
    assert reader.page.locator("h1").inner_text() == "two <b> faces.mp4"
    for track in (0, 1):
        assert reader.timeline(track).locator("path.area").count() >= len(LABELS)
    labels = reader.timeline(0).locator("rect.span").evaluate_all("all => all.map(one => one.dataset.label)")
    assert labels == [segment.label for segment in scene().segments(0)]
    assert reader.timeline(0).locator("rect.gap").count() == 0
    assert reader.timeline(1).locator("rect.gap").count() == 2  # in the plot, and in the bar below
    SCREENSHOT.parent.mkdir(parents=True, exist_ok=True)
    reader.point_at(0, 3.3)
    reader.page.screenshot(path=SCREENSHOT, full_page=True, caret="initial")
    assert SCREENSHOT.stat().st_size > 20_000


def test_pointing_shows_time_answer_and_picture_on_all_faces(reader: Reader) -> None:
    reader.point_at(0, 3.3)
    for track, label in ((0, "happy"), (1, "sad")):
        tip = reader.tip(track)
        assert tip.is_visible()
        assert abs(int(tip.get_attribute("data-time") or 0) - 3300) < 40
        assert tip.get_attribute("data-label") == label
        picture = tip.locator("img")
        nearest = min((one for one in scene().portraits if one.track == track), key=lambda one: abs(one.time_s - 3.3))
        assert picture.get_attribute("src") == "data:image/jpeg;base64," + base64.b64encode(nearest.jpeg).decode()
        assert picture.evaluate("one => one.decode().then(() => one.naturalWidth)") == 72
        numbers = [int(text.split()[0]) for text in tip.locator("li span:last-child").all_inner_texts()]
        assert numbers == sorted(numbers, reverse=True)
        assert tip.locator("li").first.inner_text().split()[0] == label
    assert reader.timeline(0).locator(".flag-text").text_content() == "0:03.3"
    reader.page.mouse.move(5, 5)
    assert reader.tip(0).is_hidden()


def test_unsure_away_and_rarely_seen_are_named(reader: Reader) -> None:
    reader.point_at(0, 9.6)
    assert reader.tip(0).get_attribute("data-label") == "unsure"
    assert "not in the picture" in reader.tip(1).inner_text()
    reader.point_at(0, 8.2)
    assert "not judged" in reader.tip(1).inner_text()


def test_a_click_keeps_the_moment_and_escape_lets_go(reader: Reader) -> None:
    reader.point_at(0, 15.0)
    reader.page.mouse.down()
    reader.page.mouse.up()
    reader.page.mouse.move(5, 5)
    assert reader.tip(0).get_attribute("data-label") == "angry"
    assert reader.tip(0).is_visible()
    reader.page.keyboard.press("Escape")  # wherever the focus is
    assert reader.tip(0).is_hidden()


def test_another_button_of_the_mouse_keeps_nothing(reader: Reader) -> None:
    reader.point_at(0, 15.0)
    reader.page.mouse.down(button="right")
    reader.page.mouse.up(button="right")
    reader.page.mouse.move(5, 5)
    assert reader.tip(0).is_hidden()


def test_the_kept_moment_is_in_the_address_and_read_from_it(reader: Reader, tmp_path: Path) -> None:
    reader.point_at(0, 15.0)
    reader.page.mouse.down()
    reader.page.mouse.up()
    reader.page.wait_for_url(re.compile(r"#t=1[45](\.\d+)?$"))
    kept = reader.tip(0).get_attribute("data-time")
    reader.page.mouse.move(5, 5)
    reader.page.reload()
    sync_api.expect(reader.tip(0)).to_have_attribute("data-time", kept or "")
    reader.page.keyboard.press("Escape")
    reader.page.wait_for_url((tmp_path / "report.html").as_uri())
    reader.page.evaluate("location.hash = '#t=3.3'")
    sync_api.expect(reader.tip(0)).to_have_attribute("data-time", "3300")
    reader.requests[:] = reader.requests[:1]  # the second load asked for the same


def test_raw_values_leave_the_answer_as_it_is(browser: "sync_api.Browser", tmp_path: Path) -> None:
    """One window of surprise in a calm face: smoothing takes it away, and the raw view says that it was there."""
    calm, jump = (0.9, 0.04, 0.03, 0.03), (0.2, 0.1, 0.15, 0.55)
    windows = tuple(
        WindowPrediction(0, i * HOP_S, i * HOP_S + SPAN_S, LABELS[int(np.argmax(p))], max(p), p, 1.0)
        for i, p in enumerate([*[calm] * 7, jump, *[calm] * 7])
    )
    plain = dataclasses.replace(scene(), windows=windows, unseen=(), portraits=())
    reader = open_page(browser, plain.reread(smoothing_s=1.5), tmp_path)
    assert reader.timeline(0).locator(".bar-name").text_content() == "answer (smoothed)"
    reader.point_at(0, 7 * HOP_S + SPAN_S / 2)
    assert "raw" not in reader.tip(0).inner_text()
    reader.page.get_by_label("Raw").check()
    reader.point_at(0, 7 * HOP_S + SPAN_S / 2 + 0.02)
    sync_api.expect(reader.tip(0)).to_contain_text("raw: angry 55\u00a0%")
    assert reader.tip(0).locator(".tip-answer bdi").inner_text() == "happy"
    assert reader.tip(0).get_attribute("data-label") == "happy"
    reader.page.close()
    reader = open_page(browser, plain.reread(smoothing_s=0.0), tmp_path)
    assert reader.timeline(0).locator(".bar-name").text_content() == "answer"
    reader.page.close()


def test_unsure_is_never_shown_with_the_threshold_s_own_number(browser: "sync_api.Browser", tmp_path: Path) -> None:
    nearly = (0.4997, 0.2003, 0.2, 0.1)
    windows = tuple(WindowPrediction(0, 1.28 * i, 1.28 * i + SPAN_S, "happy", 0.4997, nearly, 1.0) for i in range(6))
    reader = open_page(browser, dataclasses.replace(scene(), windows=windows, unseen=(), portraits=()), tmp_path)
    reader.point_at(0, 4.0)
    assert reader.tip(0).get_attribute("data-label") == "unsure"
    assert reader.tip(0).locator("li span:last-child").first.inner_text() == "49\u00a0%"
    reader.page.close()


def test_names_stand_on_their_own_colour_whatever_the_pattern(reader: Reader) -> None:
    names = reader.timeline(0).locator("text.on:not(.tag)")
    assert names.count() >= 2
    for one in names.all():
        where = LABELS.index(one.text_content() or "")
        assert one.get_attribute("stroke") == colour_of(LABELS[where], LABELS)
        assert one.evaluate("one => getComputedStyle(one).paintOrder").startswith("stroke")
        assert one.evaluate("one => parseFloat(getComputedStyle(one).strokeWidth)") >= 3


def test_a_pan_is_spoken_once_when_it_ends(reader: Reader) -> None:
    page = reader.page
    assert page.locator("#range").get_attribute("aria-live") == "off"
    assert page.locator("#said").text_content() == ""
    page.locator("#zoom-in").click()
    sync_api.expect(page.locator("#range")).to_have_text("0:05.1 – 0:15.4")
    sync_api.expect(page.locator("#said")).to_have_text("0:05.1 – 0:15.4")  # the zoom has been spoken
    page.evaluate("window.spoken = 0; new MutationObserver(() => spoken++).observe(said, { childList: true })")
    reader.point_at(0, 10.0)
    box = reader.timeline(0).bounding_box()
    assert box is not None
    page.mouse.down()
    page.mouse.move(box["x"] + 80, box["y"] + 90, steps=8)
    page.mouse.up()
    sync_api.expect(page.locator("#said")).to_have_text(page.locator("#range").inner_text())
    assert page.evaluate("spoken") == 1


def test_print_shows_the_whole_video_after_a_zoom(reader: Reader) -> None:
    reader.page.locator("#zoom-in").click()
    sync_api.expect(reader.page.locator("#range")).to_have_text("0:05.1 – 0:15.4")
    reader.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert reader.timeline(0).locator("rect.span").count() == len(scene().segments(0))
    assert "whole video" in reader.page.locator("#range").inner_text()
    reader.page.evaluate("dispatchEvent(new Event('afterprint'))")
    sync_api.expect(reader.page.locator("#range")).to_have_text("0:05.1 – 0:15.4")


def test_lines_and_raw_values_are_one_click_away(reader: Reader) -> None:
    curves = reader.page.locator("path.curve:not(.casing)")
    sync_api.expect(curves).to_have_count(0)
    reader.page.get_by_label("Lines").check()
    reader.page.wait_for_selector("path.curve")
    sync_api.expect(curves).to_have_count(2 * len(LABELS))
    assert len(set(curves.evaluate_all("all => all.map(one => one.getAttribute('stroke-dasharray'))"))) == len(LABELS)
    smooth = curves.first.get_attribute("d")
    reader.page.get_by_label("Raw").check()
    sync_api.expect(curves.first).not_to_have_attribute("d", smooth or "")
    reader.page.get_by_label("Stacked").check()
    reader.page.wait_for_selector("path.area")
    sync_api.expect(curves).to_have_count(0)


def test_the_keyboard_moves_the_cursor_and_zooms(reader: Reader) -> None:
    slider = reader.timeline(1)
    slider.focus()
    slider.press("ArrowRight")
    first = int(slider.get_attribute("aria-valuenow") or 0)
    slider.press("ArrowRight")
    assert int(slider.get_attribute("aria-valuenow") or 0) - first == round(1000 * HOP_S)
    assert "sad 70\u00a0%" in (slider.get_attribute("aria-valuetext") or "")
    sync_api.expect(reader.tip(0)).to_be_visible()  # the cursor is on all faces
    slider.press("End")
    assert slider.get_attribute("aria-valuenow") == str(round(1000 * END_S))
    slider.press("+")
    sync_api.expect(reader.page.locator("#range")).to_have_text("0:10.2 – 0:20.5")
    slider.press("0")
    sync_api.expect(reader.page.locator("#range")).to_contain_text("whole video")


def test_zoom_drag_and_the_map(reader: Reader) -> None:
    page, text = reader.page, reader.page.locator("#range")
    page.locator("#zoom-in").click()
    sync_api.expect(reader.page.locator("#range")).to_have_text("0:05.1 – 0:15.4")
    assert reader.page.locator("#overview .brush").count() == 1
    reader.point_at(0, 10.0)
    page.mouse.down()
    box = reader.timeline(0).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 80, box["y"] + 90, steps=4)
    page.mouse.up()
    sync_api.expect(text).not_to_have_text("0:05.1 – 0:15.4")
    assert text.inner_text() > "0:08"
    before = text.inner_text()
    reader.point_at(0, 10.0)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -150)
    page.keyboard.up("Control")
    sync_api.expect(text).not_to_have_text(before)
    page.locator("#zoom-all").click()
    sync_api.expect(reader.page.locator("#range")).to_contain_text("whole video")


def test_a_strongest_moment_jumps_there(reader: Reader) -> None:
    moment = scene().summary(0).strongest[0]
    button = reader.page.locator("#face-0 .moments button").first
    assert moment.label in button.inner_text()
    button.click()
    assert abs(int(reader.tip(0).get_attribute("data-time") or 0) - 1000 * moment.time_s) <= 1
    assert reader.tip(0).get_attribute("data-label") == moment.label


def test_faces_can_be_put_aside(reader: Reader) -> None:
    reader.page.get_by_label("show face 1").uncheck()
    assert reader.page.locator("#face-1").is_hidden()
    reader.page.get_by_label("show face 1").check()
    assert reader.page.locator("#face-1").is_visible()
    reader.page.get_by_label("show face 1").uncheck()
    reader.page.get_by_role("link", name="Face 1").click()
    assert reader.page.get_by_label("show face 1").is_checked()
    sync_api.expect(reader.page.locator("#face-1")).to_be_in_viewport()


def test_it_prints_with_all_faces(reader: Reader, tmp_path: Path) -> None:
    reader.page.get_by_label("show face 1").uncheck()
    data = reader.page.pdf(path=tmp_path / "report.pdf", format="A4")
    assert data.startswith(b"%PDF")
    assert len(data) > 20_000
    reader.page.emulate_media(media="print")
    assert reader.page.locator("#face-1").is_visible()
    assert reader.page.locator("#bar").is_hidden()


def test_a_telephone_shows_no_sideways_scrolling(browser: "sync_api.Browser", tmp_path: Path) -> None:
    long = ("happy and a little helpless", *LABELS[1:])
    windows = tuple(dataclasses.replace(w, label=long[LABELS.index(w.label)]) for w in scene().windows)
    opened = open_page(browser, dataclasses.replace(scene(), labels=long, windows=windows), tmp_path, width=360)
    for table in opened.page.locator("details.spans").all():
        table.locator("summary").click()
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 360
    opened.point_at(0, 3.3)
    assert opened.tip(0).is_visible()
    assert opened.complaints == []
    opened.page.close()


def test_the_words_of_a_long_video_leave_the_strip_free(browser: "sync_api.Browser", tmp_path: Path) -> None:
    opened = open_page(browser, synthetic(3725.0, 2), tmp_path, width=1100)
    for row in opened.page.locator(".glance li").all():
        words, strip = row.locator(".who small"), row.locator(".strip")
        assert "judged" in words.inner_text()
        right = words.evaluate(_RIGHT)
        box = strip.bounding_box()
        assert box is not None
        assert right <= box["x"]
    opened.page.close()


def test_a_relative_reading_is_named_and_the_model_s_own_is_one_click_away(
    browser: "sync_api.Browser", tmp_path: Path
) -> None:
    opened = open_page(browser, synthetic(60.0, 1).reread(baseline="person"), tmp_path)
    assert opened.timeline(0).locator(".bar-name").text_content() == "answer (relative)"
    before = opened.timeline(0).inner_html()
    opened.page.get_by_label("Raw").check()
    # Drawn with the next picture of the screen.
    opened.page.wait_for_function(
        "before => document.querySelector('#face-0 svg.timeline').innerHTML !== before", arg=before
    )
    assert opened.timeline(0).locator(".bar-name").text_content() == "answer (relative)"
    assert opened.complaints == []
    opened.page.close()


def test_without_a_face_the_page_says_so_and_its_script_is_quiet(browser: "sync_api.Browser", tmp_path: Path) -> None:
    nothing = dataclasses.replace(scene(), windows=(), portraits=(), unseen=())
    opened = open_page(browser, nothing, tmp_path)
    assert opened.page.get_by_text("No face to report").is_visible()
    assert opened.complaints == []
    opened.page.close()


def test_a_kept_tip_stays_with_its_timeline_on_a_low_screen(reader: Reader) -> None:
    reader.page.set_viewport_size({"width": 1280, "height": 420})
    reader.page.evaluate("location.hash = '#t=3.3'")
    for track in (0, 1):
        reader.timeline(track).scroll_into_view_if_needed()
        sync_api.expect(reader.tip(track)).to_be_visible()
        tip, chart = reader.tip(track).bounding_box(), reader.timeline(track).bounding_box()
        assert tip is not None
        assert chart is not None
        assert tip["y"] < chart["y"] + chart["height"]
        assert tip["y"] + tip["height"] > chart["y"]
