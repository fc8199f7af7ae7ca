"""Stands in for the process that reads videos, without a model: the first bytes of the "video" say what happens."""

import json
import os
import queue
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

TASKS: "queue.SimpleQueue[dict[str, Any]]" = queue.SimpleQueue()
CANCELLED = threading.Event()


def say(event: str, **facts: Any) -> None:
    sys.stdout.write(json.dumps({"event": event, **facts}) + "\n")
    sys.stdout.flush()


def listen() -> None:
    for line in sys.stdin:
        message = json.loads(line)
        if message.get("cancel"):
            CANCELLED.set()
        else:
            CANCELLED.clear()
            TASKS.put(message)
    os._exit(0)


def do(task: dict[str, Any]) -> None:
    content = Path(task["source"]).read_bytes()
    order = content[:64].decode("latin-1").split(" ")[0]
    if order == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if order == "hang":
        time.sleep(600)
    if order == "slow":
        for second in range(600):
            say("progress", stage="reading", done_s=float(second), total_s=600.0)
            if CANCELLED.wait(0.1):
                say("cancelled")
                return
    if order == "oops":
        say("crashed", kind="ValueError", where=["stub.py:1 f"])
        return
    if order not in {"good", "wait"}:
        say("failed", kind="DecodeError", message=f"{task['name']}: expected a video, got something else")
        return
    say("progress", stage="reading", done_s=0.5, total_s=1.0)
    if order == "wait":
        time.sleep(0.3)
    folder = Path(task["folder"])
    text = json.dumps({"content": content.decode("latin-1"), "video": {"source": task["name"]}})
    (folder / "predictions.json").write_text(text)
    (folder / "predictions.csv").write_text("track\n0\n")
    (folder / "report.html").write_text("<p>report</p>")
    if "mp4" in task["formats"]:
        (folder / "annotated.mp4").write_bytes(b"mp4")
    span = {"track": 0, "start_s": 0.0, "end_s": 1.0, "label": "<b>", "share": 0.5}
    say("done", duration_s=1.0, faces=1, windows=1, spans=[span])


if __name__ == "__main__":
    model = {"name": "stub", "sha256": None, "maedfer_version": "0"}
    say("ready", labels=["happy"], model=model, settings={"hop_s": 1.28})
    threading.Thread(target=listen, daemon=True).start()
    while True:
        do(TASKS.get())
