"""A hub on the loopback address: the few requests that huggingface_hub makes for one model, and what it was asked."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

REPOSITORY = "someone/faces"


@dataclass
class FakeHub:
    """One repository; each commit is a table of files.

    Attributes:
        commits: files by commit.
        branches: commit by branch.
        asked: method, path and authorization of each request.
        claimed: a SHA-256 that the hub states of ``model.safetensors`` in place of the true one.
        cut: bytes of ``model.safetensors`` after which the connection is closed.
        refuse: status of every answer, where set.
        address: of the server.
    """

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    claimed: str | None = None
    cut: int | None = None
    refuse: int | None = None
    address: str = ""

    def commit(self, files: dict[str, bytes], branch: str = "main") -> str:
        name = hashlib.sha1(repr((len(self.commits), sorted(files))).encode()).hexdigest()
        self.commits[name] = files
        self.branches[branch] = name
        return name

    def resolved(self, revision: str) -> str | None:
        return self.branches.get(revision, revision if revision in self.commits else None)

    def facts(self, commit: str) -> dict[str, Any]:
        entries: list[dict[str, Any]] = []
        for name, data in self.commits[commit].items():
            entry: dict[str, Any] = {"rfilename": name, "size": len(data), "blobId": hashlib.sha1(data).hexdigest()}
            if name.endswith(".safetensors"):
                sha = self.claimed or hashlib.sha256(data).hexdigest()
                entry["lfs"] = {"sha256": sha, "size": len(data), "pointerSize": 134}
            entries.append(entry)
        return {
            "id": REPOSITORY,
            "modelId": REPOSITORY,
            "sha": commit,
            "siblings": entries,
            "private": False,
            "tags": [],
        }


@contextmanager
def running(hub: FakeHub) -> Iterator[FakeHub]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, body: bool) -> None:
            hub.asked.append((self.command, self.path, self.headers.get("Authorization")))
            if hub.refuse is not None:
                return self.send(hub.refuse, b'{"error": "no"}', {})
            parts = self.path.split("?")[0].strip("/").split("/")
            if parts[:2] == ["api", "models"] and "/".join(parts[2:4]) == REPOSITORY:
                commit = hub.resolved(parts[5] if len(parts) > 5 else "main")
                return self.send(404, b"{}", {}) if commit is None else self.json(hub.facts(commit))
            if "/".join(parts[:2]) == REPOSITORY and parts[2] == "resolve":
                commit = hub.resolved(parts[3])
                data = hub.commits.get(commit or "", {}).get("/".join(parts[4:]))
                if commit is None or data is None:
                    return self.send(404, b"{}", {"X-Error-Code": "EntryNotFound"})
                headers = {"X-Repo-Commit": commit, "ETag": f'"{hashlib.sha256(data).hexdigest()}"'}
                return self.send(200, data, headers, body=body, cut=hub.cut if parts[-1].endswith("tensors") else None)
            return self.send(404, b"{}", {})

        def do_POST(self) -> None:
            hub.asked.append((self.command, self.path, self.headers.get("Authorization")))
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if hub.refuse is not None:
                return self.send(hub.refuse, b'{"error": "no"}', {})
            if self.path == "/api/repos/create":
                return self.json({"url": f"{hub.address}/{REPOSITORY}", "id": "1"})
            if "/preupload/" in self.path:
                names = [entry["path"] for entry in json.loads(text)["files"]]
                modes = [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names]
                return self.json({"files": modes, "commitOid": hub.branches.get("main", "0" * 40)})
            if "/commit/" in self.path:
                lines = [json.loads(line) for line in text.splitlines()]
                files = {
                    line["value"]["path"]: base64.b64decode(line["value"]["content"])
                    for line in lines
                    if line["key"] == "file"
                }
                commit = hub.commit(files)
                return self.json({"commitUrl": f"{hub.address}/{REPOSITORY}/commit/{commit}", "commitOid": commit})
            return self.json({"valid": True, "errors": [], "warnings": []})

        def json(self, content: dict[str, Any]) -> None:
            self.send(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

        def send(
            self, status: int, data: bytes, headers: dict[str, str], body: bool = True, cut: int | None = None
        ) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if body and self.command != "HEAD":
                self.wfile.write(data[:cut])
            if cut is not None:
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
