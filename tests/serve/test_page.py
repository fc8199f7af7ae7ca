"""The page as a person has it: a video given, progress, the result, the table; and what a stranger may try."""

import shutil
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

httpx = pytest.importorskip("httpx", reason="httpx is not installed")
pytest.importorskip("gradio", reason="gradio is not installed")
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from maedfer.serve import ServeSettings  # noqa: E402
from serve_process import STUB, Running, running  # noqa: E402

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SCREENSHOTS = Path(__file__).parents[2] / "outputs" / "screenshots"
# Loading Gradio is slow, and it uses what Starlette and asyncio are about to drop.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("private"), ServeSettings(max_bytes=2_000_000), STUB) as started:
        yield started


def read_sample(address: str, width: int, video: Path, name: str, patience_s: float, target: Path) -> str:
    """Use the page at ``address``; the text of the fetched table."""
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 900}, accept_downloads=True)
        foreign: list[str] = []
        page.on("request", lambda request: foreign.append(request.url) if not is_own(request.url, address) else None)
        page.set_default_timeout(60_000)
        page.goto(address)
        page.locator("input[type=file]").first.set_input_files(str(video))
        page.locator("video").first.wait_for()
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"serve-{name}-before.png", full_page=True)
        page.get_by_role("button", name="Read the video").click()
        page.locator("#said [role=status]").wait_for()
        page.locator("#result iframe").wait_for(timeout=1000 * patience_s)
        assert page.locator("#result table tbody tr").count() >= 1
        inside = page.frame_locator("#result iframe")
        inside.locator("body").wait_for()
        if name.startswith("sample"):
            inside.locator("svg.timeline").first.wait_for()
        page.wait_for_timeout(1500)
        page.screenshot(path=SCREENSHOTS / f"serve-{name}.png", full_page=True)
        page.locator("#result iframe").scroll_into_view_if_needed()  # Chromium paints what is in view
        page.wait_for_timeout(1500)
        page.screenshot(path=SCREENSHOTS / f"serve-{name}-timeline.png")
        with page.expect_download() as download:
            page.get_by_role("link", name="Table (CSV)").click()
        download.value.save_as(target)
        browser.close()
    assert foreign == []
    return target.read_text(encoding="utf-8")


def is_own(url: str, address: str) -> bool:
    return url.startswith((address, "data:", "blob:"))


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome is installed")
@pytest.mark.parametrize("width", [1280, 390])
def test_a_person_reads_the_sample(tmp_path: Path, width: int) -> None:
    sample = Path(str(files("maedfer").joinpath("assets", "sample", "sample.mp4")))
    private = tmp_path / "private"
    private.mkdir()
    with running(private, ServeSettings(), None) as real:
        table = read_sample(real.address, width, sample, f"sample-{width}", 300.0, tmp_path / "table.csv")
    assert table.startswith("track,start_s,end_s,label")
    assert len(table.splitlines()) > 5


def film_for_a_camera(path: Path) -> Path:
    """The sample as Chromium's pretended camera reads it."""
    import av

    sample = str(files("maedfer").joinpath("assets", "sample", "sample.mp4"))
    with av.open(sample) as source, av.open(str(path), "w", format="mjpeg") as film:
        stream = film.add_stream("mjpeg", rate=25)
        stream.width, stream.height = source.streams.video[0].width, source.streams.video[0].height
        stream.pix_fmt = "yuvj420p"
        for frame in source.decode(video=0):
            film.mux(stream.encode(frame.reformat(format="yuvj420p")))
        film.mux(stream.encode())
    return path


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome is installed")
def test_a_person_records_a_video_and_takes_a_second_reading_back(tmp_path: Path) -> None:
    camera, private = film_for_a_camera(tmp_path / "camera.mjpeg"), tmp_path / "private"
    private.mkdir()
    pretended = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    arguments = ["--no-sandbox", *pretended, f"--use-file-for-fake-video-capture={camera}"]
    with running(private, ServeSettings(), None) as real, sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        page = browser.new_context(permissions=["camera", "microphone"]).new_page()
        page.set_default_timeout(60_000)
        page.goto(real.address)
        page.get_by_label("Capture from camera").click()
        page.get_by_text("Click to Access Webcam").click()
        page.get_by_label("start recording").click()
        page.wait_for_timeout(5000)
        page.get_by_label("start recording").click()  # which says Stop now
        page.get_by_label("Clear").wait_for()
        page.get_by_role("button", name="Read the video").click()
        page.locator("#result iframe").wait_for(timeout=300_000)
        assert page.locator("#result table tbody tr").count() >= 1
        page.get_by_role("button", name="Read the video").click()
        page.locator("#said [role=status]").wait_for()
        page.get_by_role("button", name="Cancel").click()
        sync_api.expect(page.locator("#said")).to_have_text("")
        sync_api.expect(page.locator("#result")).to_have_text("")
        assert page.locator("#result iframe").count() == 0
        browser.close()


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    """What the worker without a model takes for a video."""
    path = tmp_path / "talk.mp4"
    path.write_bytes(b"wait ")
    return path


def ask(client: "httpx.Client", data: list[Any]) -> str:
    """Press the button as a program would; all that is said in return."""
    joined = client.post("/gradio_api/queue/join", json={"data": data, "fn_index": 0, "session_hash": "s"})
    if joined.status_code != 200:
        return str(joined.text)
    said = []
    with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": "s"}) as events:
        for line in events.iter_lines():
            said.append(line)
            if "process_completed" in line or "close_stream" in line:
                break
    return "\n".join(said)


@pytest.mark.parametrize("path", ["/etc/passwd", "http://127.0.0.1:1/a.mp4", "../../etc/passwd"])
def test_the_page_takes_only_what_was_uploaded_to_it(house: Running, path: str) -> None:
    with httpx.Client(base_url=house.address, timeout=60) as client:
        said = ask(client, [{"path": path, "meta": {"_type": "gradio.FileData"}}, True, False])
        assert '"success":true' not in said.replace(" ", "").replace("True", "true") or "mf-result" not in said
        assert "mf-result" not in said
        assert "root:" not in said
        assert client.get(f"/gradio_api/file={path}").status_code in {403, 404}
    assert not [file for file in house.private() if file.name == "passwd"]


def test_an_upload_of_the_page_is_judged_and_its_limits_hold(house: Running, talk: Path) -> None:
    with httpx.Client(base_url=house.address, timeout=60) as client:
        sent = client.post("/gradio_api/upload", files={"files": ("talk.mp4", talk.read_bytes())})
        assert sent.status_code == 200
        said = ask(client, [{"path": sent.json()[0], "meta": {"_type": "gradio.FileData"}}, True, False])
        assert "mf-result" in said
        assert "&lt;b&gt;" in said  # a label is text
        assert client.post("/gradio_api/upload", files={"files": ("a.mp4", b"x" * 3_000_000)}).status_code == 413
        busy = [
            client.post("/gradio_api/upload", files={"files": ("a", b"x" * 1_900_000 + bytes([n]))}) for n in range(30)
        ]
        assert {answer.status_code for answer in busy} == {200, 503}
        assert sum(path.stat().st_size for path in house.private()) < 40_000_000
