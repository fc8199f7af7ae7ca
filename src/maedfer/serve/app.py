"""The service as one ASGI application."""

from fastapi import Depends, FastAPI
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from maedfer import __version__
from maedfer.serve.api import Service, results, router
from maedfer.serve.docs_page import docs_page
from maedfer.serve.doors import require_token
from maedfer.serve.jobs import JobRunner
from maedfer.serve.metrics import Metrics
from maedfer.serve.problems import Problem, add_handlers
from maedfer.serve.settings import ServeSettings
from maedfer.serve.watch import Watch

__all__ = ["create_app"]


def create_app(settings: ServeSettings, runner: JobRunner, metrics: Metrics) -> FastAPI:
    """The routes, the page if it is wanted, and what stands around them.

    Args:
        settings: limits and doors.
        runner: entered already.
        metrics: the runner's.
    """
    app = FastAPI(
        title="maedfer",
        version=__version__,
        summary="Which expression each face in a video shows, and when. An expression is not a feeling.",
        docs_url=None,
        redoc_url=None,
        middleware=[Middleware(Watch, metrics=metrics)],
    )
    app.state.service = Service(settings, runner, metrics)
    add_handlers(app)
    app.include_router(router)
    app.include_router(results)
    app.add_api_route(
        "/healthz", _health, summary="Whether new videos are taken", responses={503: {"description": "no"}}
    )
    app.add_api_route("/metrics", _metrics, include_in_schema=False, dependencies=[Depends(_known)])
    app.add_api_route("/docs", _docs, include_in_schema=False)
    app.add_api_route("/v1/{rest:path}", _nowhere, methods=["GET", "POST", "PUT", "DELETE"], include_in_schema=False)
    if settings.page:
        from maedfer.serve.page import mount_page  # loads Gradio, which takes its time

        mount_page(app, settings, runner)
    return app


async def _health(request: Request) -> JSONResponse:
    runner = request.app.state.service.runner
    ready = bool(runner.workers) and not runner.draining
    return JSONResponse({"status": "ok" if ready else "not ready"}, 200 if ready else 503)


async def _known(request: Request) -> None:
    require_token(request.headers.get("authorization", ""), request.app.state.service.settings)


async def _metrics(request: Request) -> Response:
    return Response(request.app.state.service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def _docs(request: Request) -> HTMLResponse:
    return HTMLResponse(docs_page(request.app.openapi()))


async def _nowhere(request: Request) -> Response:
    raise Problem(404, "there is no such route; see /docs")
