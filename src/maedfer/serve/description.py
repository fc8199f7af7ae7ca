"""What the OpenAPI description says beside the routes' own words: the form of an upload, and refusals."""

from typing import Any

__all__ = ["UPLOAD", "problems"]

_SHAPE = {
    "application/problem+json": {
        "schema": {
            "type": "object",
            "required": ["type", "title", "status", "detail"],
            "properties": {
                "type": {"type": "string"},
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "detail": {"type": "string"},
            },
        }
    }
}
_WORDS = {
    400: "The form is broken", 401: "The token is missing or wrong", 403: "The path is not allowed",
    404: "Not found", 408: "The upload took too long", 413: "The video is too large",
    415: "Not a form with a file", 422: "The video cannot be judged, with the reason",
    500: "Unexpected", 503: "Busy or about to stop: come back after Retry-After seconds", 504: "Reading took too long",
}  # fmt: skip


def problems(statuses: str) -> dict[int | str, dict[str, Any]]:
    """The refusals of a route for the description, by their statuses with spaces between."""
    return {int(status): {"description": _WORDS[int(status)], "content": _SHAPE} for status in statuses.split()}


#: The form with a video.
UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "description": "A file, or the path of one on the server where that is allowed.",
                    "properties": {
                        "file": {"type": "string", "format": "binary", "description": "the video"},
                        "path": {"type": "string", "description": "below an allowed folder of the server"},
                        "annotate": {"type": "boolean", "description": "draw the annotated video too (jobs)"},
                        "salvage": {"type": "boolean", "description": "read what there is of a broken file"},
                    },
                }
            }
        },
    }
}
