"""The routes below ``/v1``, and the results that the page shows.

A client's text never becomes a path: jobs are found in a table by their secret name, files by a fixed list of names.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect
from starlette.responses import FileResponse, Response, StreamingResponse

from maedfer.serve.description import UPLOAD, problems
from maedfer.serve.doors import allowed_path, require_token
from maedfer.serve.job import Job, JobStatus
from maedfer.serve.jobs import JobRunner
from maedfer.serve.metrics import Metrics
from maedfer.serve.problems import Problem
from maedfer.serve.settings import ServeSettings
from maedfer.serve.uploads import Form, linger, receive_form, shown_name

__all__ = [
    "Found",
    "ModelCard",
    "Service",
    "Serving",
    "create_job",
    "delete_job",
    "job_events",
    "job_file",
    "job_status",
    "models",
    "predict",
    "results",
    "router",
    "shown_file",
]

_FILE_TYPES = {
    "predictions.csv": "text/csv; charset=utf-8",
    "predictions.json": "application/json",
    "report.html": "text/html; charset=utf-8",
    "annotated.mp4": "video/mp4",
}
_HEARTBEAT_S = 10.0
_WAIT_S = 0.5
_TRUE, _FALSE = frozenset({"true", "1", "on", "yes"}), frozenset({"", "false", "0", "off", "no"})


@dataclass(frozen=True)
class Service:
    """What the routes stand on."""

    settings: ServeSettings
    runner: JobRunner
    metrics: Metrics


@dataclass(frozen=True)
class ModelCard:
    """A model of this service.

    Attributes:
        name: as it was asked for.
        fingerprint: SHA-256 of its weights.
        version: of maedfer.
        labels: its classes in index order.
        settings: how videos are read.
    """

    name: str
    fingerprint: str | None
    version: str
    labels: tuple[str, ...]
    settings: dict[str, Any]


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


Serving = Annotated[Service, Depends(_service)]


async def _known(request: Request, service: Serving) -> None:
    require_token(request.headers.get("authorization", ""), service.settings)


def _job(job_id: str, service: Serving) -> Job:
    job = service.runner.find(job_id)
    if job is None:
        raise Problem(404, "there is no such job; it may have been removed, or its results outlived their time")
    return job


Found = Annotated[Job, Depends(_job)]

router = APIRouter(prefix="/v1", dependencies=[Depends(_known)], responses=problems("401"))
#: Results by the secret name alone, as a browser cannot send a token with a link; a name is as long as a token.
results = APIRouter(include_in_schema=False)


@router.get("/models")
async def models(service: Serving) -> list[ModelCard]:
    """The models of this service; the first is used."""
    facts = service.runner.facts
    model = facts["model"]
    card = ModelCard(
        model["name"], model["sha256"], model["maedfer_version"], tuple(facts["labels"]), facts["settings"]
    )
    return [card]


@router.post(
    "/predict",
    openapi_extra=UPLOAD,
    responses={200: {"description": "The report's JSON"}, **problems("400 403 404 408 413 415 422 500 503 504")},
)
async def predict(request: Request, service: Serving) -> Response:
    """Judge a short video and wait for the answer: the JSON of its report. Going away cancels it."""
    job = await _submitted(request, service, annotate=False)
    try:
        while not job.ended:
            await job.change(_WAIT_S)
            if await request.is_disconnected():
                raise ClientDisconnect
        if job.failure is not None:
            raise Problem(job.failure.status, job.failure.detail, _retry(job.failure.status))
    except BaseException:
        service.runner.remove(job)
        raise
    job.fetched = True
    after = BackgroundTask(service.runner.remove, job)
    return FileResponse(job.folder / "predictions.json", media_type="application/json", background=after)


@router.post("/jobs", status_code=202, openapi_extra=UPLOAD, responses=problems("400 403 404 408 413 415 503"))
async def create_job(request: Request, service: Serving, response: Response) -> JobStatus:
    """Queue a video; ask for its state, or listen to its events, below the Location of the answer."""
    job = await _submitted(request, service, annotate=True)
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return job.status(service.runner.ahead(job))


@router.get("/jobs/{job_id}", responses=problems("404"))
async def job_status(job: Found, service: Serving) -> JobStatus:
    """Where a job stands."""
    return job.status(service.runner.ahead(job))


@router.delete("/jobs/{job_id}", status_code=204, responses=problems("404"))
async def delete_job(job: Found, service: Serving) -> None:
    """Cancel a job if it has not ended, and remove its results."""
    service.runner.remove(job)


@router.get(
    "/jobs/{job_id}/events",
    response_class=StreamingResponse,
    responses={200: {"description": "Server-sent events", "content": {"text/event-stream": {}}}, **problems("404")},
)
async def job_events(job: Found, service: Serving) -> StreamingResponse:
    """The states of a job as server-sent events, until it has ended: each is the JSON of ``GET /v1/jobs/{id}``."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_events(job, service), media_type="text/event-stream", headers=headers)


async def _events(job: Job, service: Service) -> AsyncIterator[str]:
    last = ""
    while True:
        text = json.dumps(asdict(job.status(service.runner.ahead(job))))
        yield ": still here\n\n" if text == last else f"event: {job.state}\ndata: {text}\n\n"
        last = text
        if job.ended:
            return
        await job.change(_HEARTBEAT_S)


@router.get(
    "/jobs/{job_id}/files/{name}",
    response_class=FileResponse,
    responses={200: {"description": "The file", "content": {"*/*": {}}}, **problems("404")},
)
async def job_file(job: Found, name: str) -> FileResponse:
    """One of the files that ``GET /v1/jobs/{id}`` lists."""
    return _file(job, name, download=True)


@results.get("/results/{job_id}/{name}")
async def shown_file(job: Found, name: str, download: bool = False) -> FileResponse:
    """The same for the page."""
    return _file(job, name, download=download)


def _file(job: Job, name: str, *, download: bool) -> FileResponse:
    if name not in job.files:
        known = ", ".join(job.files) or "none yet"
        raise Problem(404, f"expected one of the files of this job ({known}), got another name")
    job.fetched = True
    # A report runs its own scripts, and may not touch what else comes from this service.
    headers = {"Cache-Control": "private, no-store", "Content-Security-Policy": "sandbox allow-scripts allow-popups"}
    kind, disposition = _FILE_TYPES[name], "attachment" if download else "inline"
    return FileResponse(
        job.folder / name, media_type=kind, filename=name, headers=headers, content_disposition_type=disposition
    )


async def _submitted(request: Request, service: Service, *, annotate: bool) -> Job:
    with service.runner.place() as place:
        if place is None:
            await linger(request)
            why = "about to stop" if service.runner.draining else "busy: all places are taken"
            raise Problem(503, f"the service is {why}; come back later", _retry(503))
        settings, target = service.settings, place.folder / "input"
        try:
            form = await receive_form(request, target, max_bytes=settings.max_bytes, seconds=settings.upload_time_s)
        except Problem:
            await linger(request)
            raise
        chosen = (_flag(form, "annotate") and annotate, _flag(form, "salvage"))
        if (form.file_name is None) == ("path" not in form.fields):
            raise Problem(400, "expected either a part called file or one called path, got both or none")
        source = target if form.file_name is not None else allowed_path(form.fields["path"], settings)
        name = shown_name(form.file_name if form.file_name is not None else source.name)
        return service.runner.submit(place, name=name, source=source, annotate=chosen[0], salvage=chosen[1])


def _flag(form: Form, name: str) -> bool:
    text = form.fields.get(name, "").strip().lower()
    if text not in _TRUE | _FALSE:
        raise Problem(400, f"{name}: expected true or false, got something else")
    return text in _TRUE


def _retry(status: int) -> dict[str, str] | None:
    return {"Retry-After": "5"} if status == 503 else None
