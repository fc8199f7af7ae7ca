"""``/docs``: the OpenAPI description as one plain page. The usual ones fetch a megabyte of script from another host."""

import json
from html import escape
from typing import Any

__all__ = ["docs_page"]

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 56rem; margin: 2rem auto; padding: 0 1rem }
article { border-top: 1px solid #8886; padding: .5rem 0 }
code, pre { font: .9em ui-monospace, monospace } pre { overflow-x: auto; background: #8882; padding: .6rem }
b { display: inline-block; min-width: 4.5rem } dt { font-weight: 600 } dd { margin: 0 0 .3rem 1.5rem }
"""
_INTRODUCTION = """
<h1>maedfer service</h1>
<p>Which expression each face in a video shows, and when. An expression is not a feeling. The description for programs
is <a href="/openapi.json">openapi.json</a>. Errors come as <code>application/problem+json</code>.</p>
<pre>curl -F file=@talk.mp4 URL/v1/predict
curl -F file=@talk.mp4 -F annotate=true URL/v1/jobs
curl -N URL/v1/jobs/ID/events</pre>
"""


def docs_page(description: dict[str, Any]) -> str:
    """HTML of an OpenAPI description."""
    articles = [
        _article(method.upper(), path, facts)
        for path, methods in description["paths"].items()
        for method, facts in methods.items()
    ]
    shapes = json.dumps(description.get("components", {}).get("schemas", {}), indent=1)
    head = f"<!doctype html><html lang=en><meta charset=utf-8><title>maedfer service</title><style>{_STYLE}</style>"
    return (
        f'{head}<meta name="viewport" content="width=device-width, initial-scale=1"><body>{_INTRODUCTION}'
        f"{''.join(articles)}<h2>Shapes</h2><pre>{escape(shapes)}</pre></body></html>"
    )


def _article(method: str, path: str, facts: dict[str, Any]) -> str:
    rows = [("parameter " + each["name"], each.get("description", each["in"])) for each in facts.get("parameters", ())]
    for kind, body in facts.get("requestBody", {}).get("content", {}).items():
        rows += [
            (f"{kind}: {name}", shape.get("description", shape.get("type", "")))
            for name, shape in body["schema"].get("properties", {}).items()
        ]
    rows += [(status, answer["description"]) for status, answer in facts["responses"].items()]
    listed = "".join(f"<dt>{escape(str(name))}</dt><dd>{escape(str(text))}</dd>" for name, text in rows)
    words = escape(facts.get("description", facts.get("summary", "")))
    return (
        f"<article><h3><b>{escape(method)}</b><code>{escape(path)}</code></h3><p>{words}</p>"
        f"<details><summary>fields and answers</summary><dl>{listed}</dl></details></article>"
    )
