"""Opens a file or an address through PyAV, and nothing else: what a file says cannot make it open a second one."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path

import av
from av.stream import Disposition

from maedfer.errors import DecodeError
from maedfer.video.picture import MAX_PIXELS
from maedfer.video.source import URL_SCHEMES, is_url, shown

__all__ = ["MAX_MOVING_PIXELS", "REMEDY", "Opened", "is_still", "opened"]

#: An open container and the video stream in it that is meant.
Opened = tuple[av.container.InputContainer, av.VideoStream]

REMEDY = "check that the file plays, or convert it: ffmpeg -i INPUT -c:v libx264 output.mp4"

# Seconds until a silent server is given up, for opening and for each read. A live camera sends several times a second.
_TIMEOUT_S = (20.0, 20.0)
_OPTIONS = {"max_pixels": str(MAX_PIXELS), "pattern_type": "none"}
#: 8192 x 4096 with the edges that decoders add. A decoder keeps some twenty moving pictures, so that a file of 26 kB
#: which claims 14000 x 14000 took 6 GB; a photograph is kept once.
MAX_MOVING_PIXELS = 40_000_000
# Lists of other files or addresses, and scripts: not one of them holds pictures itself.
_LISTS = frozenset(
    {
        "avisynth", "concat", "dash", "hls", "imf", "lavfi", "rtp", "rtsp", "sap", "sdp", "vapoursynth", "vobsub",
        "webm_dash_manifest",
    }
)  # fmt: skip
# An address may lead to a playlist, whose parts come over the network; never from this machine's disk.
_NETWORK = ",".join(sorted({*URL_SCHEMES, "crypto", "data", "httpproxy"}))
_URL_OPTIONS = {
    "protocol_whitelist": _NETWORK,
    "reconnect": "1",
    "reconnect_delay_max": "4",
    "rtsp_flags": "prefer_tcp",
}
# All names of the two containers that most videos come in.
_USUAL = frozenset({"3g2", "3gp", "m4a", "matroska", "mj2", "mov", "mp4", "webm"})
# ffmpeg draws text files as terminal screens; nobody films those.
_TEXT_CODECS = frozenset({"ansi", "bintext", "idf", "xbin"})


@contextmanager
def opened(source: Path | str) -> Iterator[Opened]:
    """A file (``Path``) or an address (``str``), open until the context ends, with its first stream of moving pictures.

    Raises:
        DecodeError: it cannot be opened or holds no pictures; a file that only names other files is refused.
    """
    name = shown(source)
    with _url(str(source), name) if is_url(source) else _file(Path(source), name) as container:
        streams = [s for s in container.streams.video if s.codec_context is not None and not _is_cover(s)]
        if not streams:
            found = ", ".join(sorted({s.type for s in container.streams})) or "nothing"
            raise DecodeError(f"{name}: expected a video stream, got only {found}; give a file with pictures")
        stream = streams[0]
        if stream.codec_context.name in _TEXT_CODECS:
            raise DecodeError(f"{name}: expected a video or image, got a text file; {REMEDY}")
        most = MAX_PIXELS if is_still(container) else MAX_MOVING_PIXELS
        stream.codec_context.options = {**_OPTIONS, "max_pixels": str(most)}
        stream.thread_type = "AUTO"
        # Threads cost more than they save on small pictures; data preparation runs one process a core instead.
        small = stream.codec_context.width * stream.codec_context.height <= 320 * 240
        stream.codec_context.thread_count = 1 if small else min(4, os.cpu_count() or 1)
        yield container, stream


def is_still(container: av.container.InputContainer) -> bool:
    """Whether it is one image, by its format."""
    name: str = container.format.name
    return name == "image2" or name.endswith("_pipe")


def _file(path: Path, name: str) -> AbstractContextManager[av.container.InputContainer]:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise DecodeError(f"{name}: expected a file, got an error ({error.strerror}); check the path") from error
    if size == 0:
        raise DecodeError(f"{name}: expected a video or image, got an empty file; was the download interrupted?")
    options = {**_OPTIONS, "protocol_whitelist": "file", "format_whitelist": _single_file_formats()}
    try:
        container: AbstractContextManager[av.container.InputContainer] = av.open(
            str(path.absolute()), options=options, metadata_errors="replace"
        )
    except av.error.ArgumentError as error:
        raise DecodeError(
            f"{name}: expected a video or image, got a broken file or a playlist, which only names others; give the "
            "video itself, or join the parts: ffmpeg -i INPUT -c copy output.mp4"
        ) from error
    except (av.error.FFmpegError, OSError) as error:
        what = f"{name}: expected a video or image, got something else or a broken file ({error.strerror})"
        raise DecodeError(f"{what}; {REMEDY}") from error
    return container


def _url(url: str, name: str) -> AbstractContextManager[av.container.InputContainer]:
    scheme, rest = url.split("://", 1)
    if scheme.lower() not in URL_SCHEMES:
        raise DecodeError(
            f"{name}: expected a path, or an address with one of the schemes {', '.join(sorted(URL_SCHEMES))}, got "
            f"{scheme}; give the path of a file on this machine as it is"
        )
    # PyAV's own timeouts watch over opening and reading; this one, in microseconds, over seeking too.
    options = {**_OPTIONS, **_URL_OPTIONS, "rw_timeout": str(round(_TIMEOUT_S[1] * 1e6))}
    try:
        container: AbstractContextManager[av.container.InputContainer] = av.open(
            f"{scheme.lower()}://{rest}",
            options=options,
            metadata_errors="replace",
            timeout=_TIMEOUT_S,
        )
    # The causes are left out of the traceback: they hold the address with its password.
    except (av.error.ExitError, TimeoutError):
        what = f"{name}: expected a video from this address, got no answer within {_TIMEOUT_S[0]:g} s"
        raise DecodeError(f"{what}; check the address, or that the stream is running") from None
    except av.error.ProtocolNotFoundError:
        what = f"{name}: expected a scheme that the installed ffmpeg was built with, got {scheme}"
        raise DecodeError(f"{what}; use another one, or save the video to a file first") from None
    except (av.error.FFmpegError, OSError) as error:
        what = f"{name}: expected a video from this address, got: {error.strerror}"
        raise DecodeError(f"{what}; check the address, or save the video to a file first") from None
    return container


@cache
def _single_file_formats() -> str:
    """Every format that PyAV's ffmpeg reads, less those that name other files.

    FFmpeg searches the list from its beginning with every file, so usual names come first.
    """
    formats = av.formats_available - _LISTS
    return ",".join(sorted(formats, key=lambda name: (name not in _USUAL, name)))


def _is_cover(stream: av.VideoStream) -> bool:
    return bool(stream.disposition & Disposition.attached_pic)
