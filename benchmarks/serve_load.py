"""A mixed load on a service: good, broken and oversized videos, clients that go away, paths that lead elsewhere.

Usage: python benchmarks/serve_load.py VIDEO [--requests 200] [--workers 1] [--page]

Starts a service of its own on loopback, sends the requests from 8 threads, and says what became of them: every request
is answered with the status that it should have (503 is asked again), every prediction is of its own video, and at the
end the memory is back at its level and the private folder is empty.
"""

import argparse
import collections
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx
import psutil

MAX_BYTES = 3 * 2**20
KINDS = ("good", "broken", "oversized", "gone", "traversal", "job", "cancelled")
EXPECTED = {
    "good": {200},
    "broken": {422},
    "oversized": {413},
    "traversal": {403, 404},
    "job": {200},
    "cancelled": {204},
}
PATHS = ("/etc/passwd", "../../../etc/passwd", "..%2f..%2fetc%2fpasswd", "//etc/shadow", "file:///etc/passwd")


class Load:
    """What was sent and what came back."""

    def __init__(self, address: str, video: bytes) -> None:
        self.address, self.video = address, video
        self.counts: collections.Counter[tuple[str, int]] = collections.Counter()
        self.wrong: list[str] = []
        self.busy = 0
        self.seconds: dict[str, list[float]] = collections.defaultdict(list)

    def one(self, number: int, kind: str) -> None:
        """Send one request and note what came."""
        begun = time.monotonic()
        with httpx.Client(base_url=self.address, timeout=600) as client:
            status = getattr(self, f"_{kind}")(client, number)
        self.counts[kind, status] += 1
        self.seconds[kind].append(time.monotonic() - begun)
        if kind != "gone" and status not in EXPECTED[kind]:
            self.wrong.append(f"{kind} {number}: {status}")

    def _post(self, client: httpx.Client, route: str, **parts: object) -> httpx.Response:
        for _ in range(2000):
            answer = client.post(route, **parts)  # type: ignore[arg-type]
            if answer.status_code != 503:
                return answer
            self.busy += 1
            time.sleep(0.3 + random.random())
        raise SystemExit("the service stays busy")

    def _mine(self, content: dict[str, object], name: str) -> None:
        video = content["video"]
        if not isinstance(video, dict) or video["source"] != name:
            self.wrong.append(f"{name}: got the answer of another")

    def _good(self, client: httpx.Client, number: int) -> int:
        name = f"talk-{number}.mp4"
        answer = self._post(client, "/v1/predict", files={"file": (name, self.video)})
        if answer.status_code == 200:
            self._mine(answer.json(), name)
        return answer.status_code

    def _broken(self, client: httpx.Client, number: int) -> int:
        cut = self.video[: 1000 + 97 * number % max(1, len(self.video) // 2)]
        content = cut if number % 2 else bytes(random.Random(number).randbytes(5000))
        return self._post(client, "/v1/predict", files={"file": ("a.mp4", content)}).status_code

    def _oversized(self, client: httpx.Client, number: int) -> int:
        content = bytes(MAX_BYTES + 1 + (number % 3) * 5_000_000)
        return self._post(client, "/v1/predict", files={"file": ("a.mp4", content)}).status_code

    def _traversal(self, client: httpx.Client, number: int) -> int:
        path = PATHS[number % len(PATHS)]
        if number % 2:
            return client.get(f"/v1/jobs/x/files/{path}").status_code
        return self._post(client, "/v1/predict", files={"path": (None, path)}).status_code

    def _job(self, client: httpx.Client, number: int) -> int:
        name = f"job-{number}.mp4"
        job = self._post(client, "/v1/jobs", files={"file": (name, self.video)}).json()["id"]
        with client.stream("GET", f"/v1/jobs/{job}/events") as events:
            for _ in events.iter_lines():
                pass
        answer = client.get(f"/v1/jobs/{job}/files/predictions.json")
        if answer.status_code == 200:
            self._mine(answer.json(), name)
        client.delete(f"/v1/jobs/{job}")
        return answer.status_code

    def _cancelled(self, client: httpx.Client, number: int) -> int:
        job = self._post(client, "/v1/jobs", files={"file": ("a.mp4", self.video)}).json()["id"]
        time.sleep(random.random())
        return client.delete(f"/v1/jobs/{job}").status_code

    def _gone(self, client: httpx.Client, number: int) -> int:
        host, port = self.address.removeprefix("http://").split(":")
        form = (
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + self.video + b"\r\n--b--\r\n"
        )
        head = (
            "POST /v1/predict HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\n"
            f"Content-Length: {len(form)}\r\n\r\n"
        )
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(head.encode() + (form if number % 2 else form[: len(form) // 2]))
            time.sleep(0.2 * random.random())
        return 0


def memory_mb(process: psutil.Process) -> tuple[float, float]:
    """Resident memory of the service, and of its workers."""
    workers = [child.memory_info().rss for child in process.children(recursive=True)]
    return process.memory_info().rss / 2**20, sum(workers) / 2**20


def main() -> None:
    """Start the service, load it, stop it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", type=Path)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--page", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "maedfer", "serve", "--port", "0", "--max-mb", str(MAX_BYTES / 2**20)]
        command += ["--workers", str(options.workers), "--keep", "5", "--page" if options.page else "--no-page"]
        command += ["--allow-root", str(options.video.resolve().parent)]
        temporary = Path(folder, "tmp")
        temporary.mkdir()
        environment = {**os.environ, "TMPDIR": str(temporary)}
        with Path(folder, "log").open("w") as log:
            served = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
        assert served.stdout is not None
        address = served.stdout.readline().split()[2]
        load = Load(address, options.video.read_bytes())
        run(load, psutil.Process(served.pid), options.requests, temporary)
        served.terminate()
        print("exit code", served.wait(60), "- left in the temporary folder:", list(temporary.rglob("*")))
        lines = [line for line in Path(folder, "log").read_text().splitlines() if line.startswith("{")]
        print("unexpected errors in the log:", sum(json.loads(line)["level"] == "ERROR" for line in lines))


def run(load: Load, process: psutil.Process, requests: int, temporary: Path) -> None:
    """Send the requests from 8 threads and say what became of them."""
    load.one(-2, "good")
    before = memory_mb(process)
    kinds = [KINDS[number % len(KINDS)] for number in range(requests)]
    random.Random(0).shuffle(kinds)
    waiting = collections.deque(enumerate(kinds))
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                if not waiting:
                    return
                number, kind = waiting.popleft()
            try:
                load.one(number, kind)
            except Exception as error:
                load.wrong.append(f"{kind} {number}: {type(error).__name__} {error}")

    begun = time.monotonic()
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"{requests} requests in {time.monotonic() - begun:.1f} s; 503 asked again: {load.busy}")
    for _ in range(60):
        if not [path for path in temporary.rglob("*") if path.is_file()]:
            break
        time.sleep(0.5)
    print("files in the temporary folder:", [path for path in temporary.rglob("*") if path.is_file()])
    load.one(-1, "good")
    after = memory_mb(process)
    print("by kind and status:", dict(sorted(load.counts.items())))
    print("wrong:", load.wrong)
    for kind, seconds in sorted(load.seconds.items()):
        print(f"{kind}: median {sorted(seconds)[len(seconds) // 2]:.2f} s, longest {max(seconds):.2f} s")
    for who, first, last in zip(("the service", "its workers"), before, after, strict=True):
        print(f"memory of {who}: {first:.0f} MB before, {last:.0f} MB after")


if __name__ == "__main__":
    main()
