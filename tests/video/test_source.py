"""Safe names, addresses without their secrets, standard input and arrays as videos, and what the network does."""

import io
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from maedfer.errors import ConfigError, DecodeError
from maedfer.video import opening
from maedfer.video.decode import probe, read_frames
from maedfer.video.ending import ending_lost_s
from maedfer.video.source import URL_SCHEMES, frames_of, is_url, name_of, safe_name, shown, spooled

SECRETS = ("hunter", "user", "s3cret", "token")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.org/a/talk.mp4", "https://example.org/a/talk.mp4"),
        ("https://user:hunter2@example.org:8443/talk.mp4?token=s3cret", "https://example.org:8443/talk.mp4?…"),
        ("rtsp://user:hun/ter@s3cret@cam.local:554/live", "rtsp://cam.local:554/live"),
        ("rtsp://user:hunter;2@cam.local/live", "rtsp://cam.local/live"),
        ("rtsp://user:hunter?2@cam.local/live", "rtsp://…?…"),
        ("srt://10.0.0.1:9000?passphrase=s3cret&streamid=token", "srt://10.0.0.1:9000?…"),
        ("rtmp://host/app/name pswd=s3cret", "rtmp://host/app/name?…"),
        ("http://host/v;token=s3cret", "http://host/v?…"),
        ("http://host/v.mp4#token", "http://host/v.mp4?…"),
        ("http://[::1]:80/v.mp4", "http://[::1]:80/v.mp4"),
        ("https://example.org/@someone/v.mp4", "https://example.org/@someone/v.mp4"),
        ("udp://@:1234", "udp://:1234"),
    ],
)
def test_addresses_are_shown_without_their_secrets(url: str, expected: str):
    assert is_url(url)
    assert shown(url) == expected
    assert not any(secret in shown(url) + name_of(url) for secret in SECRETS)


def test_paths_are_no_addresses():
    for path in (
        "talk.mp4",
        "a/b.mp4",
        "-",
        r"C:\talk.mp4",
        "c://talk.mp4",
        "http:/talk.mp4",
        Path("http://host/v.mp4"),
    ):
        assert not is_url(path)
        assert shown(path) == str(path)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a/talk.mp4", "talk"),
        (Path("a/Gespräch 1.final.mkv"), "Gespräch 1.final"),
        ("会話.mp4", "会話"),
        ("-", "stdin"),
        ("/", "video"),
        ("....", "video"),
        (".hidden.mp4", "hidden"),
        ("a:b*c?.mp4", "a_b_c_"),
        ("con.mp4", "_con"),
        ("bad\x00\n\udce4.mp4", "bad___"),
        ("https://example.org/a/talk%20one.mp4?x=1", "talk one"),
        ("https://example.org/a/..%2f..%2fetc%2fpasswd", "passwd"),
        ("https://example.org/../", "example.org"),
        ("rtsp://cam.local:554", "cam.local_554"),
        ("udp://@", "video"),
    ],
)
def test_names_are_safe_and_readable(source: Path | str, expected: str):
    assert name_of(source) == expected


def test_folders_keep_their_whole_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "take.2"
    folder.mkdir()
    assert name_of(folder) == "take.2"
    monkeypatch.chdir(folder)
    assert (name_of("."), name_of("..")) == ("take.2", safe_name(tmp_path.name))


def test_long_names_fit_any_file_system():
    for letter in ("x", "ä", "会", "😀"):
        name = safe_name(letter * 300)
        assert 0 < len(name) <= 100
        assert len(name.encode()) <= 200
        assert set(name) == {letter}


def test_standard_input_is_a_private_file_for_as_long_as_it_is_needed():
    data = os.urandom(3_000_000)
    with spooled(io.BytesIO(data)) as path:
        assert path.read_bytes() == data
        if os.name == "posix":
            assert not stat.S_IMODE(path.parent.stat().st_mode) & 0o077
    assert not path.parent.exists()
    with pytest.raises(KeyError), spooled(io.BytesIO(b"x")) as path:
        raise KeyError
    assert not path.parent.exists()


def test_standard_input_that_is_empty_or_too_long_is_refused():
    with pytest.raises(DecodeError, match="got none"), spooled(io.BytesIO(b"")):
        pass
    with pytest.raises(DecodeError, match="at most 10 bytes"), spooled(io.BytesIO(b"x" * 11), limit_bytes=10):
        pass
    with spooled(io.BytesIO(b"x" * 10), limit_bytes=10) as path:
        assert path.stat().st_size == 10


def test_a_video_comes_through_a_real_pipe(tmp_path: Path, make_video, numbered):
    path = make_video(tmp_path / "a.mp4", numbered(10))
    code = "import sys; sys.stdout.buffer.write(open(sys.argv[1], 'rb').read())"
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE) as sender:
        assert sender.stdout is not None
        with spooled(sender.stdout) as spool:
            assert len(list(read_frames(spool))) == 10


def test_arrays_are_videos():
    array = np.random.default_rng(0).integers(0, 255, (5, 8, 6, 3), dtype=np.uint8)
    frames = list(frames_of(array, 10.0))
    assert [frame.time_s for frame in frames] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert all((frame.image == image).all() for frame, image in zip(frames, array, strict=True))
    assert all(frame.image.flags.c_contiguous for frame in frames_of(array[:, ::2, ::-1], 10.0))


@pytest.mark.parametrize(
    ("array", "word"),
    [
        (np.zeros((2, 8, 8, 3), np.float32), "uint8"),
        (np.zeros((2, 8, 8, 3), np.int64), "uint8"),
        (np.zeros((2, 3, 8, 8), np.uint8), "transpose"),
        (np.zeros((2, 8, 8, 1), np.uint8), "grey"),
        (np.zeros((2, 8, 8), np.uint8), "grey"),
        (np.zeros((2, 8, 8, 4), np.uint8), "fourth"),
        (np.zeros((8, 8, 3), np.uint8), r"array\[None\]"),
        (np.zeros((0, 8, 8, 3), np.uint8), "shape"),
        (np.zeros((8,), np.uint8), "shape"),
    ],
)
def test_other_arrays_are_refused_at_once(array: np.ndarray, word: str):
    with pytest.raises(ConfigError, match=word):
        frames_of(array, 25.0)


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan"), float("inf"), 1e6])
def test_arrays_need_a_rate(fps: float):
    with pytest.raises(ConfigError, match="fps"):
        frames_of(np.zeros((1, 8, 8, 3), np.uint8), fps)


# ---- the network: a server of our own on this machine ------------------------------------------------------------

Answer = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def serving(answer: Answer) -> Iterator[str]:
    """The address of a server that answers every request with ``answer``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                answer(self)
            except OSError:
                self.close_connection = True  # the reader has gone

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads, server.block_on_close = True, False
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def giving(files: dict[str, bytes], *, ranges: bool = True) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        data = files.get(request.path.partition("?")[0])
        if data is None:
            request.send_error(404)
            return
        asked = request.headers.get("Range", "") if ranges else ""
        first = int(asked.removeprefix("bytes=").split("-")[0]) if asked else 0
        request.send_response(206 if asked else 200)
        if ranges:
            request.send_header("Accept-Ranges", "bytes")
        if asked:
            request.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
        request.send_header("Content-Length", str(len(data) - first))
        request.end_headers()
        request.wfile.write(data[first:])

    return answer


def test_a_video_behind_an_address_is_read_like_a_file(tmp_path: Path, make_video, numbered, number_of):
    path = make_video(tmp_path / "a.mp4", numbered(30))
    whole = [number_of(frame.image) for frame in read_frames(path)]
    with serving(giving({"/talk.mp4": path.read_bytes()})) as address:
        url = f"{address.replace('//', '//user:hunter2@')}/talk.mp4?token=s3cret"
        info = probe(url)
        assert (info.source, info.codec, info.width) == (f"{address}/talk.mp4?…", "h264", 96)
        assert [number_of(frame.image) for frame in read_frames(url)] == whole
        assert len(list(read_frames(url.upper().replace("USER:HUNTER2@", "").replace("TALK.MP4", "talk.mp4")))) == 30
        assert ending_lost_s(url, info, 1.2) is None


def test_a_server_that_cannot_seek_is_enough_for_a_streamable_file(tmp_path: Path, make_video, numbered):
    path = make_video(tmp_path / "a.mkv", numbered(30))
    with serving(giving({"/a.mkv": path.read_bytes()}, ranges=False)) as address:
        assert len(list(read_frames(f"{address}/a.mkv"))) == 30


def test_a_playlist_behind_an_address_leads_to_addresses_but_never_to_files(
    tmp_path: Path, make_video, numbered, capfd
):
    path = make_video(tmp_path / "a.ts", numbered(30))
    playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1.2,\n{}\n#EXT-X-ENDLIST\n"
    files = {
        "/a.ts": path.read_bytes(),
        "/good.m3u8": playlist.format("a.ts").encode(),
        "/bad.m3u8": playlist.format(path.as_uri()).encode(),
        "/worse.m3u8": playlist.format(f"concat:{path}").encode(),
    }
    with serving(giving(files)) as address:
        assert len(list(read_frames(f"{address}/good.m3u8"))) == 30
        for name in ("bad", "worse"):
            with pytest.raises(DecodeError):
                list(read_frames(f"{address}/{name}.m3u8"))
    assert capfd.readouterr() == ("", "")


def test_an_address_cannot_send_us_to_a_file(tmp_path: Path, make_video, numbered):
    path = make_video(tmp_path / "a.mp4", numbered(5))

    def elsewhere(request: BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Location", path.as_uri())
        request.end_headers()

    with serving(elsewhere) as address, pytest.raises(DecodeError):
        list(read_frames(f"{address}/a.mp4"))


@pytest.mark.parametrize("read", [probe, lambda source: list(read_frames(source))])
def test_addresses_that_fail_say_why_and_keep_their_secrets(read, capfd):
    with serving(giving({"/text": b"I am no video.\n" * 99, "/empty": b""})) as address:
        secret = address.replace("//", "//user:hunter2@")
        for path, word in (("/missing", "404"), ("/text", "."), ("/empty", ".")):
            with pytest.raises(DecodeError, match=word) as caught:
                read(f"{secret}{path}?token=s3cret")
            assert str(caught.value).startswith(f"{address}{path}?…: expected a video")
            assert "\n" not in str(caught.value)
            assert not any(word in f"{caught.value} {caught.value.__cause__}" for word in SECRETS)
    with pytest.raises(DecodeError, match="refused"):
        read(f"{address}/gone")
    with pytest.raises(DecodeError, match="schemes"):
        read("file:///talk.mp4")
    assert capfd.readouterr() == ("", "")


def test_a_silent_server_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(opening, "_TIMEOUT_S", (0.4, 0.4))
    over = threading.Event()
    started = time.monotonic()
    with serving(lambda _: over.wait(20) and None) as address:
        with pytest.raises(DecodeError, match=r"no answer within 0\.4 s"):
            probe(f"{address}/talk.mp4")
        over.set()
    assert time.monotonic() - started < 5


def test_a_server_that_falls_silent_in_the_middle_is_noticed(
    tmp_path: Path, make_video, numbered, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(opening, "_TIMEOUT_S", (0.5, 0.5))
    noise = np.random.default_rng(0).integers(0, 255, (150, 64, 96, 3), dtype=np.uint8)
    data = make_video(tmp_path / "a.mkv", list(noise)).read_bytes()
    over = threading.Event()

    def half(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data[: len(data) // 2])
        over.wait(20)

    with serving(half) as address:
        info = probe(f"{address}/a.mkv")
        decoded_s = len(list(read_frames(f"{address}/a.mkv"))) / 25
        lost = ending_lost_s(f"{address}/a.mkv", info, decoded_s)
        over.set()
    assert 1 < decoded_s < 4
    assert lost == pytest.approx(6 - decoded_s, abs=0.1)


def test_schemes_are_lower_case_names_that_never_mean_this_machine():
    assert all(scheme.isalpha() and scheme.islower() for scheme in URL_SCHEMES)
    assert not URL_SCHEMES & {"file", "concat", "data", "pipe", "fd", "unix", "subfile", "cache", "async"}
