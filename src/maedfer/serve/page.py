"""The page at ``/``: Gradio around the same jobs, so that the same limits hold.

Gradio takes uploads by a route of its own. They land in the service's private folder and are bounded there; and what a
client names as "its upload" is only taken when it lies in that folder, never another path, never an address.
"""

import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import gradio
from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from maedfer.serve.doors import is_token
from maedfer.serve.jobs import JobRunner
from maedfer.serve.page_parts import FOOT, HEAD, STYLE, failed, progress, shown_result
from maedfer.serve.problems import problem
from maedfer.serve.settings import ServeSettings
from maedfer.serve.uploads import shown_name

__all__ = ["mount_page"]

_UPLOAD_ROUTE = "/gradio_api/upload"
_FONTS = ("system-ui", "sans-serif")
_CODE_FONTS = ("ui-monospace", "monospace")
_WAIT_S = 0.5
_BUSY = "All places are taken just now. Try again in a minute."


def _own_uploads() -> Any:
    """An input for a video that was uploaded here; Gradio itself would copy any file of this machine, fetch addresses.

    Methods are set on the one object: for a subclass Gradio would write a file beside this one.
    """
    video = gradio.Video(
        label="Video",
        sources=["upload", "webcam"],
        webcam_options=gradio.WebcamOptions(mirror=False),
        include_audio=True,
        height=320,
    )

    async def own(given: Any) -> str | None:
        return _own(video.GRADIO_CACHE, given)

    video.move_resource_to_block_cache = lambda given: _own(video.GRADIO_CACHE, given)
    video.async_move_resource_to_block_cache = own
    return video


def _own(folder: str, given: Any) -> str | None:
    if given is None:
        return None
    path = Path(str(given)).resolve()
    if not path.is_relative_to(Path(folder).resolve()) or not path.is_file():
        raise gradio.Error("expected a video that was uploaded on this page", print_exception=False)
    return str(path)


def mount_page(app: FastAPI, settings: ServeSettings, runner: JobRunner) -> None:
    """Put the page at ``/`` of ``app``, after all other routes.

    To be called inside :func:`maedfer.serve.server.temporary_files_in`.
    """
    page = _layout(_Reader(settings, runner))
    token = settings.token
    gradio.mount_gradio_app(
        app,
        page,
        path="/",
        auth=None if token is None else lambda user, password: is_token(password, token),
        auth_message="Any name; the password is the service's token.",
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        show_error=False,
        max_file_size=settings.max_bytes,
        theme=gradio.themes.Default(font=list(_FONTS), font_mono=list(_CODE_FONTS)),
        css=STYLE,
    )
    app.add_middleware(_Bounded, settings=settings, folder=runner.folder / "page")


class _Reader:
    """What happens when the button is pressed."""

    def __init__(self, settings: ServeSettings, runner: JobRunner) -> None:
        self._settings, self._runner = settings, runner

    async def read(self, upload: str | None, annotate: bool, salvage: bool) -> AsyncIterator[tuple[str, str]]:
        """Progress and result as HTML, until the job has ended; leaving cancels it."""
        if upload is None:
            yield failed("Choose or record a video first."), ""
            return
        with self._runner.place() as place:
            if place is None:
                yield failed(_BUSY), ""
                return
            source = place.folder / "input"
            os.link(upload, source)  # Gradio still shows its own name of it
            job = self._runner.submit(
                place, name=shown_name(Path(upload).name), source=source, annotate=annotate, salvage=salvage
            )
        try:
            while not job.ended:
                yield progress(job, self._runner.ahead(job)), ""
                await job.change(_WAIT_S)
        finally:
            if not job.ended:
                self._runner.remove(job)
        if job.failure is not None:
            yield failed(job.failure.detail), ""
        else:
            yield "", shown_result(job)


def _layout(reader: _Reader) -> Any:
    with gradio.Blocks(title="maedfer", analytics_enabled=False) as page:
        gradio.Markdown(HEAD)
        with gradio.Row():
            video = _own_uploads()
            with gradio.Column():
                annotate = gradio.Checkbox(True, label="Draw the annotated video")
                salvage = gradio.Checkbox(False, label="Read what there is of a file that breaks off")
                start = gradio.Button("Read the video", variant="primary")
                cancel = gradio.Button("Cancel")
                said = gradio.HTML(elem_id="said")
        result = gradio.HTML(elem_id="result")
        gradio.Markdown(FOOT)
        reading = start.click(
            reader.read,
            [video, annotate, salvage],
            [said, result],
            api_visibility="private",
            concurrency_limit=None,
            show_progress="hidden",
        )
        cancel.click(lambda: ("", ""), None, [said, result], cancels=[reading], api_visibility="private", queue=False)
    return page


class _Bounded:
    """ASGI middleware: what the page's uploads hold on the disk, all together, and for how long."""

    def __init__(self, app: ASGIApp, settings: ServeSettings, folder: Path) -> None:
        self._app, self._settings, self._folder = app, settings, folder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "http" and scope["path"].rstrip("/").endswith(_UPLOAD_ROUTE):
            most, length = self._settings.max_bytes, Headers(scope=scope).get("content-length", "")
            if not length.isdecimal():
                await problem(411, "expected a Content-Length, got none")(scope, receive, send)
                return
            if int(length) > most + 65_536:
                await problem(413, f"expected at most {most} bytes of video, got more")(scope, receive, send)
                return
            if self._held() + int(length) > most * (self._settings.places + 1):
                busy = problem(503, "the service is busy: all places are taken", {"Retry-After": "60"})
                await busy(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _held(self) -> int:
        """Bytes of the page's uploads, after the old ones were removed."""
        held, now = 0, time.time()
        for path in self._folder.rglob("*"):
            if path.is_file():
                facts = path.stat()
                if now - facts.st_mtime > max(self._settings.keep_s, self._settings.upload_time_s):
                    path.unlink(missing_ok=True)
                else:
                    held += facts.st_size
        return held
