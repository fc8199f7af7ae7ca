"""What the page shows, as HTML. All that comes from outside is text to it, never markup."""

from html import escape

from maedfer.serve.job import Job

__all__ = ["FOOT", "HEAD", "STYLE", "failed", "progress", "shown_result"]

HEAD = """
# Which expression does each face show, and when?
Drop a video or record yourself. You get the video with its faces marked, a timeline and a table.
"""
FOOT = """
**An expression is not a feeling.** What is named here is how a face looks in a stretch of 2.56 seconds, not what its
owner feels, intends or is; do not decide about people with it. The weights that come with maedfer were trained on
rendered faces only, and are often wrong about real ones. Videos are removed when they have been read; results are
removed after some time, and with them the links. [API](/docs)
"""
STYLE = """
.gradio-container { max-width: 72rem !important; margin: 0 auto !important }
.mf-bar { height: .8rem; border-radius: .4rem; background: #8883; overflow: hidden }
.mf-bar > i { display: block; height: 100%; background: #2563eb; min-width: .8rem }
.mf-bad { border-left: .3rem solid #dc2626; padding: .4rem .8rem }
.mf-result { max-width: calc(100vw - 5.5rem) }
.mf-result :is(table, thead, tr, th, td) { border: 0 !important }
.mf-result h3 { margin: 1.2rem 0 .4rem } .mf-scroll { overflow-x: auto; max-height: 22rem }
.mf-result video { width: 100%; max-height: 28rem; background: #000; border-radius: .4rem }
.mf-result iframe { width: 100%; height: 46rem; border: 1px solid #8886; border-radius: .4rem; background: #fff }
.mf-result table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums }
.mf-result :is(th, td) { text-align: left; padding: .25rem .6rem; box-shadow: 0 1px #8884 }
.mf-files { display: flex; flex-wrap: wrap; gap: .5rem } .mf-files a { padding: .35rem .8rem; border: 1px solid #8888;
  border-radius: .4rem; text-decoration: none }
"""

_STAGES = {"waiting": "Starting", "reading": "Finding and judging faces", "drawing": "Drawing the annotated video"}
_NAMES = {
    "predictions.csv": "Table (CSV)",
    "predictions.json": "Everything (JSON)",
    "report.html": "Report (HTML)",
    "annotated.mp4": "Annotated video (MP4)",
}


def progress(job: Job, ahead: int) -> str:
    """How far a job is."""
    now = job.progress
    if job.state == "queued":
        return f'<p role="status">Waiting: {ahead} before yours.</p>'
    share = 0.0 if not now.total_s else min(1.0, now.done_s / now.total_s)
    known = f" of {now.total_s:.0f}" if now.total_s else ""
    words = f"{_STAGES.get(now.stage, 'Working')}: {now.done_s:.0f}{known} s"
    return f'<p role="status">{words}</p><div class="mf-bar"><i style="width:{100 * share:.0f}%"></i></div>'


def failed(text: str) -> str:
    """Why there is no result."""
    return f'<p class="mf-bad" role="alert">{escape(text)}</p>'


def shown_result(job: Job) -> str:
    """The annotated video, the timeline, the table, and links to all files."""
    place = f"/results/{escape(job.id)}"
    links = "".join(
        f'<a href="{place}/{name}?download=true" download="{name}">{_NAMES[name]}</a>' for name in job.files
    )
    parts = [f'<div class="mf-result"><p><b>{escape(job.name)}</b>: {_counts(job)}</p>']
    if "annotated.mp4" in job.files:
        parts.append(f'<h3>Video</h3><video controls preload="metadata" src="{place}/annotated.mp4"></video>')
    # The report is a whole page with scripts of its own: a frame that may not touch this one.
    parts.append(
        '<h3>Timeline</h3><iframe title="Timeline and report" sandbox="allow-scripts" '
        f'src="{place}/report.html"></iframe>'
    )
    parts.append(f'<h3>Table</h3>{_table(job)}<h3>Download</h3><div class="mf-files">{links}</div></div>')
    return "".join(parts)


def _counts(job: Job) -> str:
    faces, windows = job.facts["faces"], job.facts["windows"]
    said = f"{faces} face{'' if faces == 1 else 's'}, {windows} window{'' if windows == 1 else 's'} judged"
    return f"{said} in {job.facts['duration_s']:.1f} s"


def _table(job: Job) -> str:
    if not job.spans:
        return "<p>No face could be judged.</p>"
    rows = "".join(
        f"<tr><td>{span.track}</td><td>{span.start_s:.2f}</td><td>{span.end_s:.2f}</td><td>{escape(span.label)}</td>"
        f"<td>{100 * span.confidence:.0f} %</td></tr>"
        for span in job.spans
    )
    head = "<tr><th>Face</th><th>From (s)</th><th>To (s)</th><th>Expression</th><th>Confidence</th></tr>"
    return f'<div class="mf-scroll"><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>'
