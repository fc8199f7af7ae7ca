"""Small whole files of every kind that the fuzzer breaks: containers, codecs, pixel formats, odd shapes and odd times.

Every file is made here from the packaged sample video, whose rendered face the detector finds; none is committed.
"""

import io
import wave
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from importlib.resources import files
from pathlib import Path

import av
import cv2
import numpy as np

__all__ = ["BASES", "Film", "make_bases"]

_QUICK = {
    "libx264": {"preset": "ultrafast"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
    "libsvtav1": {"preset": "12", "svtav1-params": "lp=1"},
}
_STEP_S = 0.16
#: Seconds to add to the time of each picture.
_TIMES: dict[str, Callable[[int], float]] = {
    "even": lambda index: _STEP_S * index,
    "late": lambda index: 5000.0 + _STEP_S * index,
    "negative": lambda index: _STEP_S * (index - 6),
    "varying": lambda index: _STEP_S * index + 0.07 * (index % 3),
    "doubled": lambda index: _STEP_S * (index // 2 * 2) + 0.001 * index,
    "sparse": lambda index: 40.0 * index,
    "jump": lambda index: _STEP_S * index + (2000.0 if index > 9 else 0.0),
}


@dataclass(frozen=True)
class Film:
    """How one base is encoded.

    Attributes:
        suffix: of its name, which tells the container.
        codec: encoder.
        pixels: pixel format.
        size: width, height.
        count: pictures.
        times: a word of the table of times.
        rotation: degrees by side data.
        sound: whether there is a tone beside the pictures.
        options: of the container.
        coding: of the encoder.
    """

    suffix: str
    codec: str = "libx264"
    pixels: str = "yuv420p"
    size: tuple[int, int] = (160, 120)
    count: int = 20
    times: str = "even"
    rotation: int = 0
    sound: bool = False
    options: dict[str, str] = field(default_factory=dict)
    coding: dict[str, str] = field(default_factory=dict)

    def make(self, path: Path) -> None:
        """Write it."""
        with av.open(str(path), "w", options=dict(self.options)) as container:
            stream = container.add_stream(self.codec, rate=25, options=_QUICK.get(self.codec, {}) | self.coding)
            stream.width, stream.height, stream.pix_fmt = *self.size, self.pixels
            if self.codec in ("mpeg4", "h263", "flv", "wmv2", "mpeg2video", "mpeg1video", "svq1", "snow"):
                stream.bit_rate = 400_000
            counted = self.suffix in (".avi", ".gif", ".dv") or self.codec == "mpeg2video"
            base = Fraction(1, 25) if counted else Fraction(1, 1000)
            stream.codec_context.time_base = base
            if self.codec not in ("gif", "dvvideo"):
                stream.codec_context.gop_size = 8
            if self.rotation:
                stream.set_display_rotation(self.rotation)
            tone = container.add_stream("aac", rate=48000, layout="mono") if self.sound else None
            for index, image in enumerate(_pictures(self.size, self.count)):
                frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=self.pixels)
                frame.time_base = base
                frame.pts = index if counted else round(_TIMES[self.times](index) * 1000)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
            if tone is not None:
                container.mux(_silence(tone, 3.0))


def _silence(stream: av.AudioStream, seconds: float) -> list[av.Packet]:
    packets: list[av.Packet] = []
    size = stream.codec_context.frame_size or 1024
    for index in range(round(seconds * 48000 / size)):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, size), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, index * size, Fraction(1, 48000)
        packets += stream.encode(frame)
    return packets + stream.encode()


@cache
def _scene() -> tuple[np.ndarray, ...]:
    """Pictures of the sample video around its face, RGB, 360x270."""
    with av.open(str(files("maedfer").joinpath("assets", "sample", "sample.mp4"))) as container:
        images = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return tuple(image[45:315, 140:500] for image in images[::4][:24])


def _pictures(size: tuple[int, int], count: int) -> Sequence[np.ndarray]:
    scene = _scene()
    return [cv2.resize(scene[index % len(scene)], size, interpolation=cv2.INTER_AREA) for index in range(count)]


def _image(path: Path) -> None:
    picture = cv2.cvtColor(_pictures((160, 120), 1)[0], cv2.COLOR_RGB2BGR)
    if path.suffix == ".png":
        picture = np.dstack([picture, np.full(picture.shape[:2], 128, np.uint8)])
    path.write_bytes(cv2.imencode(path.suffix, picture)[1].tobytes())


def _wave(path: Path) -> None:
    memory = io.BytesIO()
    with wave.open(memory, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(8000))
    path.write_bytes(memory.getvalue())


def _sound_only(path: Path) -> None:
    with av.open(str(path), "w") as container:
        container.mux(_silence(container.add_stream("aac", rate=48000, layout="mono"), 2.0))


def _headers_only(path: Path) -> None:
    """A film whose pictures were never written."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        container.start_encoding()


_FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}
_GREYS = ("gray", "gray10le", "gray16le")
#: What makes each base, by its file name.
BASES: dict[str, Callable[[Path], None]] = {
    "h264.mp4": Film(".mp4").make,
    "fast.mp4": Film(".mp4", options={"movflags": "faststart"}, sound=True).make,
    "fragments.mp4": Film(".mp4", options=_FRAGMENTS).make,
    "frames_b.mp4": Film(".mp4", coding={"bf": "3", "preset": "veryfast"}).make,
    "h265.mp4": Film(".mp4", "libx265").make,
    "mpeg4.mp4": Film(".mp4", "mpeg4").make,
    "mpeg4.avi": Film(".avi", "mpeg4").make,
    "av1.mp4": Film(".mp4", "libsvtav1").make,
    "vp9.mp4": Film(".mp4", "libvpx-vp9").make,
    "ten_bit.mp4": Film(".mp4", pixels="yuv420p10le").make,
    "full_chroma.mp4": Film(".mp4", pixels="yuv444p", size=(161, 121)).make,
    "grey.mp4": Film(".mp4", pixels="gray").make,
    "turned.mp4": Film(".mp4", rotation=90).make,
    "askew.mov": Film(".mov", "mpeg4", rotation=37).make,
    "varying.mp4": Film(".mp4", times="varying").make,
    "negative.mp4": Film(".mp4", times="negative").make,
    "late.mp4": Film(".mp4", times="late").make,
    "jump.mp4": Film(".mp4", times="jump").make,
    "sparse.mp4": Film(".mp4", times="sparse", count=4).make,
    "one.mp4": Film(".mp4", count=1).make,
    "prores.mov": Film(".mov", "prores_ks", "yuv422p10le", count=6).make,
    "animation.mov": Film(".mov", "qtrle", "argb", count=6).make,
    "jpegs.mov": Film(".mov", "mjpeg", "yuvj420p", count=6).make,
    "h264.mkv": Film(".mkv", sound=True).make,
    "varying.mkv": Film(".mkv", times="doubled").make,
    "ffv1.mkv": Film(".mkv", "ffv1", "bgr0", size=(63, 47), count=6).make,
    "alpha.mkv": Film(".mkv", "ffv1", "yuva420p", size=(64, 48), count=6).make,
    **{f"{grey}.mkv": Film(".mkv", "ffv1", grey, (64, 48), 6).make for grey in _GREYS},
    "raw.mkv": Film(".mkv", "rawvideo", "yuv420p", (64, 48), 6).make,
    "speck.mkv": Film(".mkv", "ffv1", "yuv444p", (1, 1), 3).make,
    "ribbon.mkv": Film(".mkv", "ffv1", "gray", (2048, 2), 3).make,
    "vp8.webm": Film(".webm", "libvpx").make,
    "vp9.webm": Film(".webm", "libvpx-vp9", "yuva420p").make,
    "av1.webm": Film(".webm", "libsvtav1", times="negative").make,
    "jpegs.avi": Film(".avi", "mjpeg", "yuvj420p", count=6).make,
    "huffman.avi": Film(".avi", "huffyuv", "rgb24", (64, 48), 6).make,
    "raw.avi": Film(".avi", "rawvideo", "bgr24", (64, 48), 6).make,
    "h264.ts": Film(".ts").make,
    "mpeg2.ts": Film(".ts", "mpeg2video").make,
    "mpeg2.mpg": Film(".mpg", "mpeg2video").make,
    "mpeg2.mxf": Film(".mxf", "mpeg2video").make,
    "h263.3gp": Film(".3gp", "h263", size=(176, 144)).make,
    "flash.flv": Film(".flv", "flv").make,
    "h264.flv": Film(".flv").make,
    "media.wmv": Film(".wmv", "wmv2").make,
    "moving.gif": Film(".gif", "gif", "rgb8", count=8).make,
    "moving.webp": Film(".webp", "libwebp_anim", "yuva420p", count=6).make,
    "moving.apng": Film(".apng", "apng", "rgba", (64, 48), 4).make,
    "digital.dv": Film(".dv", "dvvideo", "yuv420p", (720, 576), 2).make,
    "stream.h264": Film(".h264").make,
    "still.png": _image,
    "still.jpg": _image,
    "still.bmp": _image,
    "still.tiff": _image,
    "still.webp": _image,
    "large.mp4": Film(".mp4", size=(3840, 2160), count=2).make,
    "sound.m4a": _sound_only,
    "sound.wav": _wave,
    "headers.mp4": _headers_only,
    "headers.avi": _headers_only,
    "empty.mp4": lambda path: path.write_bytes(b"") and None,
    "text.mp4": lambda path: path.write_text("this is no video\n" * 40) and None,
}


def make_bases(folder: Path) -> dict[str, Path]:
    """Every base as a file in ``folder``, by its name; those that are there already stay."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {}
    for name, make in BASES.items():
        made[name] = folder / name
        if not made[name].exists():
            part = made[name].with_stem(f"part-{made[name].stem}")
            make(part)
            part.replace(made[name])
    return made
