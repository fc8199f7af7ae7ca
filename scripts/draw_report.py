"""Draw docs/images/report.png: the report page of the sample video, as Chromium shows it, the pointer on a timeline.

python scripts/draw_report.py
"""

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright

from maedfer.predict import Predictor

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "src" / "maedfer" / "assets" / "sample" / "sample.mp4"
TARGET = ROOT / "docs" / "images" / "report.png"


def main() -> int:
    """Predict the sample, open its page, take a picture."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        print("expected Chromium on the path, found none; install it: apt-get install chromium", file=sys.stderr)
        return 1
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        (page,) = Predictor().predict(SAMPLE).save(folder, ("html",))
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        tab = chromium.new_page(viewport={"width": 1100, "height": 1250})
        tab.goto(page.as_uri())
        timeline = tab.locator("svg.timeline").first
        place = timeline.bounding_box() or {"x": 0, "y": 0, "width": 0, "height": 0}
        tab.mouse.move(place["x"] + 0.42 * place["width"], place["y"] + 0.4 * place["height"])
        tab.wait_for_timeout(300)
        TARGET.parent.mkdir(parents=True, exist_ok=True)
        tab.screenshot(path=TARGET)
        chromium.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
