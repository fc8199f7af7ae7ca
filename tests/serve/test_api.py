"""The routes on loopback, with a worker that does what the bytes of the video say."""

import hashlib
import io
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from maedfer.errors import ConfigError

httpx = pytest.importorskip("httpx", reason="httpx is not installed")
pytest.importorskip("fastapi", reason="fastapi is not installed")

from maedfer.serve import ServeSettings  # noqa: E402
from maedfer.serve.watch import JsonLines  # noqa: E402
from serve_process import Running, running  # noqa: E402

TOKEN = "a-token-of-the-tests-0123"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    root = tmp_path_factory.mktemp("allowed")
    (root / "inside.mp4").write_bytes(b"good inside")
    (root.parent / "outside.mp4").write_bytes(b"good outside")
    (root / "link.mp4").symlink_to(root.parent / "outside.mp4")
    settings = ServeSettings(
        workers=2, queue=3, max_bytes=100_000, max_time_s=1.5, grace_s=5.0, allow_roots=(root,), page=False
    )
    with running(tmp_path_factory.mktemp("private"), settings) as started:
        yield started


@pytest.fixture
def client(house: Running) -> Iterator["httpx.Client"]:
    with httpx.Client(base_url=house.address, timeout=30) as opened:
        yield opened


def send(client: "httpx.Client", route: str, content: bytes, name: str = "talk.mp4", **fields: str) -> "httpx.Response":
    return client.post(route, files={"file": (name, content)}, data=fields)


def ended(client: "httpx.Client", job_id: str) -> dict[str, Any]:
    for _ in range(200):
        status: dict[str, Any] = client.get(f"/v1/jobs/{job_id}").json()
        if status["state"] not in {"queued", "running"}:
            return status
        time.sleep(0.05)
    raise AssertionError("the job does not end")


def settled(house: Running) -> list[Path]:
    """Files of the service when all that was begun has been cleared."""
    for _ in range(100):
        if not house.private():
            return []
        time.sleep(0.05)
    return house.private()


def test_a_prediction_is_the_report_of_this_video_and_leaves_nothing(house: Running, client: "httpx.Client") -> None:
    answer = send(client, "/v1/predict", b"good mine", "../../etc/my talk.mp4")
    assert answer.status_code == 200
    assert answer.json() == {"content": "good mine", "video": {"source": "my talk.mp4"}}
    assert settled(house) == []


def test_a_job_goes_through_its_states_and_its_files_can_be_fetched(house: Running, client: "httpx.Client") -> None:
    created = send(client, "/v1/jobs", b"wait", annotate="true")
    assert created.status_code == 202
    job = created.json()
    assert created.headers["location"] == f"/v1/jobs/{job['id']}"
    with client.stream("GET", f"/v1/jobs/{job['id']}/events") as events:
        assert events.headers["content-type"].startswith("text/event-stream")
        states = [json.loads(line[6:]) for line in events.iter_lines() if line.startswith("data: ")]
    assert states[-1]["state"] == "done"
    assert [each["state"] for each in states] == sorted(
        (each["state"] for each in states), key=["queued", "running", "done"].index
    )
    assert (states[-1]["faces"], states[-1]["windows"]) == (1, 1)
    files = states[-1]["files"]
    assert files == ["predictions.csv", "predictions.json", "report.html", "annotated.mp4"]
    for name in files:
        got = client.get(f"/v1/jobs/{job['id']}/files/{name}")
        assert got.status_code == 200
        assert "attachment" in got.headers["content-disposition"]
    for name in ("input", "..%2finput", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "predictions.parquet"):
        assert client.get(f"/v1/jobs/{job['id']}/files/{name}").status_code == 404
    assert not [path for path in house.private() if path.name == "input"]
    assert client.delete(f"/v1/jobs/{job['id']}").status_code == 204
    assert client.get(f"/v1/jobs/{job['id']}").status_code == 404
    assert settled(house) == []


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (b"bad", 422, "talk.mp4: expected a video"),
        (b"crash", 500, "unexpected"),
        (b"oops", 500, "unexpected"),
        (b"slow", 504, "more than 1.5 s"),
        (b"hang", 504, "more than 1.5 s"),
        (b"x" * 100_001, 413, "at most 100000 bytes"),
        (b"x" * 400_000, 413, "at most 100000 bytes"),
    ],
)
def test_what_cannot_be_answered_is_a_problem_and_the_next_is_answered(
    house: Running, client: "httpx.Client", content: bytes, status: int, words: str
) -> None:
    answer = send(client, "/v1/predict", content)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json()["detail"]
    assert str(house.folder) not in answer.text
    for _ in range(2):  # both workers work
        assert send(client, "/v1/predict", b"good").status_code == 200
    assert settled(house) == []


def test_a_body_without_a_length_is_measured_while_it_comes(house: Running, client: "httpx.Client") -> None:
    def endless() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(1000):
            yield b"x" * 10_000

    answer = client.post("/v1/predict", content=endless(), headers={"content-type": "multipart/form-data; boundary=b"})
    assert answer.status_code == 413
    assert settled(house) == []


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", b"{}", 415),
        ("multipart/form-data", b"", 415),
        ("multipart/form-data; boundary=b", b"no form", 400),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\ngood', 400),
        ("multipart/form-data; boundary=b", b"--b\r\nX: " + b"y" * 10_000 + b"\r\n\r\n\r\n--b--\r\n", 400),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b--', 400),
    ],
)
def test_broken_forms(house: Running, client: "httpx.Client", kind: str, body: bytes, status: int) -> None:
    assert client.post("/v1/jobs", content=body, headers={"content-type": kind}).status_code == status
    assert settled(house) == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("inside.mp4", 200),
        ("missing.mp4", 404),
        (".", 404),
        ("link.mp4", 403),
        ("../outside.mp4", 403),
        ("../nothing.mp4", 403),
        ("/etc/passwd", 403),
        ("x" * 3000, 404),
        ("a\0b", 403),
        ("http://127.0.0.1/a.mp4", 404),
    ],
)
def test_only_paths_below_an_allowed_root(client: "httpx.Client", path: str, status: int) -> None:
    answer = client.post("/v1/predict", files={"path": (None, path)})
    assert answer.status_code == status
    if status == 200:
        assert answer.json()["content"] == "good inside"
        assert send(client, "/v1/predict", b"good", path=path).status_code == 400


def test_a_full_house_says_when_to_come_back(tmp_path: Path) -> None:
    settings = ServeSettings(workers=2, queue=3, page=False)
    with running(tmp_path, settings) as house, httpx.Client(base_url=house.address, timeout=60) as client:
        jobs = [send(client, "/v1/jobs", b"slow").json()["id"] for _ in range(5)]
        refused = send(client, "/v1/jobs", b"good")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        assert client.get(f"/v1/jobs/{jobs[4]}").json()["ahead"] == 2
        for job in jobs:
            assert client.delete(f"/v1/jobs/{job}").status_code == 204
        assert send(client, "/v1/predict", b"good").status_code == 200
        assert settled(house) == []


def test_a_client_that_goes_away_frees_its_worker_and_is_no_error(
    house: Running, client: "httpx.Client", caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "maedfer.serve")
    host, port = house.address.removeprefix("http://").split(":")
    head = b"POST /v1/predict HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nhang\r\n--b--\r\n'
    for sent in (body, body[:40]):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(head + f"Content-Length: {len(body)}\r\n\r\n".encode() + sent)
            time.sleep(0.3)
    assert settled(house) == []
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_answers_of_many_at_once_are_not_mixed(house: Running) -> None:
    wrong: list[str] = []

    def ask(number: int) -> None:
        content = b"wait " + hashlib.sha256(bytes([number])).hexdigest().encode()
        with httpx.Client(base_url=house.address, timeout=30) as own:
            while (answer := send(own, "/v1/predict", content)).status_code == 503:
                time.sleep(0.1)
        if answer.status_code != 200 or answer.json()["content"] != content.decode():
            wrong.append(answer.text)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_counts_and_description(client: "httpx.Client") -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/v1/models").json()[0]["labels"] == ["happy"]
    numbers = client.get("/metrics").text
    assert 'maedfer_requests_total{method="POST",route="/v1/predict",status="200"}' in numbers
    assert "maedfer_running_jobs 0.0" in numbers
    described = client.get("/openapi.json").json()["paths"]
    assert set(described) == {
        "/healthz", "/v1/models", "/v1/predict", "/v1/jobs", "/v1/jobs/{job_id}", "/v1/jobs/{job_id}/events",
        "/v1/jobs/{job_id}/files/{name}",
    }  # fmt: skip
    docs = client.get("/docs").text
    assert all(path in docs for path in described)
    assert "https://" not in docs
    assert client.get("/v1/nothing").headers["content-type"] == "application/problem+json"
    assert client.get("/healthz", headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
    assert client.get("/healthz", headers={"x-request-id": "a b"}).headers["x-request-id"] != "a b"


def test_the_log_names_no_client_and_no_secret(house: Running, client: "httpx.Client") -> None:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonLines())
    logging.getLogger("maedfer.serve").addHandler(handler)
    job = send(client, "/v1/jobs", b"good", "private name.mp4").json()
    ended(client, job["id"])
    client.get(f"/v1/jobs/{job['id']}/files/predictions.csv")
    client.delete(f"/v1/jobs/{job['id']}")
    logging.getLogger("maedfer.serve").removeHandler(handler)
    said = [json.loads(line) for line in written.getvalue().splitlines()]
    assert any(line.get("route") == "/v1/jobs/{job_id}/files/{name}" for line in said)
    assert not any(secret in json.dumps(said) for secret in (job["id"], "private", str(house.folder)))


def test_the_token_is_asked_for(tmp_path: Path) -> None:
    with running(tmp_path, ServeSettings(token=TOKEN, page=False)) as house, httpx.Client(timeout=30) as client:
        for route in ("/v1/models", "/metrics", "/v1/jobs/x"):
            assert client.get(house.address + route).status_code == 401
            wrong = {"authorization": "Bearer " + TOKEN[:-1] + "x"}
            assert client.get(house.address + route, headers=wrong).status_code == 401
        right = {"authorization": f"Bearer {TOKEN}"}
        assert client.get(house.address + "/v1/models", headers=right).status_code == 200
        assert client.get(house.address + "/healthz").status_code == 200


def test_the_end_lets_jobs_finish_and_says_why_others_did_not(tmp_path: Path) -> None:
    settings = ServeSettings(page=False, grace_s=1.0)
    with running(tmp_path, settings) as house, httpx.Client(base_url=house.address, timeout=30) as client:
        first, second = (send(client, "/v1/jobs", content).json()["id"] for content in (b"wait", b"hang"))
        with client.stream("GET", f"/v1/jobs/{second}/events") as events:
            house.server.should_exit = True
            states = [json.loads(line[6:]) for line in events.iter_lines() if line.startswith("data: ")]
        assert first != second
        assert states[-1]["state"] == "interrupted"
        assert "stopped" in states[-1]["error"]["detail"]
    assert "MAEDFER_SERVE_TOKEN" not in os.environ


@pytest.mark.parametrize(
    "wrong",
    [{"port": 70_000}, {"workers": 0}, {"max_bytes": 0}, {"keep_s": -1.0}, {"token": "short"}, {"max_time_s": 0.0}],
)
def test_impossible_settings(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        ServeSettings(**wrong)


def test_a_worker_that_cannot_start_and_a_port_that_is_taken(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match="cannot start"),
        running(tmp_path, ServeSettings(page=False), ("false",)),
    ):
        pass
    from maedfer.serve.server import serve

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigError, match="expected an address that is free"):
            serve(ServeSettings(page=False, port=taken.getsockname()[1]), ready=lambda *_: None)


def test_a_model_is_given_by_path_or_by_name(tmp_path, monkeypatch):
    from maedfer.cli.serve import ServeOptions

    monkeypatch.chdir(tmp_path)
    for folder in ("weights", "default"):
        (tmp_path / folder).mkdir()
    for given, meant in (
        ("weights", str(tmp_path / "weights")),
        ("default", "default"),
        ("owner/name@main", "owner/name@main"),
        ("mae-dfer-dfew-fold1", "mae-dfer-dfew-fold1"),
    ):
        assert ServeOptions(model=given).settings().reading.model == meant
