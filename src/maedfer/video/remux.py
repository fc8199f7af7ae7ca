"""The sound of a video file as packets for an mp4 of the same pictures: copied where mp4 can hold it, else made AAC.

Times are those of the pictures: 0 is the first picture. What was heard before it is cut, a later start stays.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.resampler import AudioResampler
from jaxtyping import Float32

from maedfer.errors import DecodeError, OutputError
from maedfer.video.container import MAX_HOLD_S, file_pictures

__all__ = ["Sound", "opened_sound"]

# Codecs that mp4 holds and players know there.
_COPIED = frozenset({"aac", "ac3", "alac", "eac3", "flac", "mp3", "opus"})
_AAC_RATES = frozenset({16000, 22050, 24000, 32000, 44100, 48000})
# Decoders need what came shortly before the first sample heard (Opus: 80 ms); the mp4's edit list hides it.
_PREROLL_S = 0.1
# Rounded time stamps are no gap; a longer one is filled with silence, so that what follows stays in sync.
_GAP_S = 0.05
_MAX_BROKEN_PACKETS = 256


class Sound:
    """One audio stream on its way into an mp4.

    Args:
        container: the open source.
        stream: one of its audio streams, with a decoder.
        origin_s: the first picture's time stamp in the source, seconds.
    """

    def __init__(self, container: av.container.InputContainer, stream: av.AudioStream, origin_s: float) -> None:
        self._container, self._stream, self._origin_s = container, stream, origin_s
        self.copied = stream.codec_context.codec.canonical_name in _COPIED
        self._out: av.AudioStream | None = None

    def join(self, output: av.container.OutputContainer) -> None:
        """Add the stream to an mp4 that has not been begun."""
        if self.copied:
            self._out = output.add_stream_from_template(self._stream)
            return
        source = self._stream.codec_context
        self._out = output.add_stream("aac", rate=source.sample_rate if source.sample_rate in _AAC_RATES else 48000)
        self._out.codec_context.layout = "mono" if source.channels == 1 else "stereo"
        self._out.codec_context.bit_rate = 96_000 * self._out.codec_context.channels

    def packets(self) -> Iterator[tuple[float, av.Packet]]:
        """(seconds after the first picture, packet), in order.

        Raises:
            OutputError: the sound joined no output.
        """
        if self._out is None:
            raise OutputError("expected a sound that joined an mp4, this one did not; call join first")
        return self._copies(self._out) if self.copied else self._encoded(self._out)

    def _copies(self, out: av.AudioStream) -> Iterator[tuple[float, av.Packet]]:
        base = self._stream.time_base
        clock, last = _Clock(self._origin_s, base), None
        for packet in _demuxed(self._container, self._stream):
            if not packet.size:  # tells decoders that the end has come
                continue
            length = packet.duration or 0
            start = clock.place(packet.pts, length)
            if (start + length) * base <= -_PREROLL_S or (last is not None and start + length <= last):
                continue
            last = start if last is None else max(start, last + 1)
            packet.pts = packet.dts = last
            packet.time_base, packet.stream = base, out
            yield float(last * base), packet

    def _encoded(self, out: av.AudioStream) -> Iterator[tuple[float, av.Packet]]:
        rate, layout = out.codec_context.sample_rate, out.codec_context.layout.name
        for first, samples in self._heard(rate, layout):
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=layout)
            frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), first
            for packet in out.encode(frame):
                yield first / rate, packet
        for packet in out.encode():
            yield float((packet.pts or 0) * packet.time_base), packet

    def _heard(self, rate: int, layout: str) -> Iterator[tuple[int, Float32[np.ndarray, "C S"]]]:
        """(number of the first sample after the first picture, samples) without gap, from 0 or the later start."""
        position: int | None = None
        for start, samples in self._resampled(rate, layout):
            if position is None:
                position = start or 0
            while start is not None and position < start:  # a second at a time: memory stays bounded
                silence = min(start - position, rate)
                position += silence
                if position > 0:
                    silence = min(silence, position)
                    yield position - silence, np.zeros((samples.shape[0], silence), np.float32)
            heard = samples[:, max(0, -position) :]
            if heard.shape[1]:
                yield max(0, position), heard
            position += samples.shape[1]

    def _resampled(self, rate: int, layout: str) -> Iterator[tuple[int | None, Float32[np.ndarray, "C S"]]]:
        """(number of the first sample at the start and after a gap, else ``None``; samples), overlaps left out."""
        resampler, expected = None, float("-inf")
        kind: tuple[str, str, int] | None = None
        for start_s, frame in self._decoded():
            if start_s < expected - _GAP_S:
                continue
            begins: int | None = None
            before, kind = kind, (frame.format.name, frame.layout.name, frame.sample_rate)
            if resampler is None or kind != before or start_s > expected + _GAP_S:
                if resampler is not None:
                    yield from ((None, last.to_ndarray()) for last in resampler.resample(None) if last.samples)
                resampler = AudioResampler(format="fltp", layout=layout, rate=rate)
                begins, expected = round(start_s * rate), start_s
            expected += frame.samples / frame.sample_rate
            frame.pts = None
            for made in resampler.resample(frame):
                if made.samples:
                    yield begins, made.to_ndarray()
                    begins = None
        if resampler is not None:
            yield from ((None, last.to_ndarray()) for last in resampler.resample(None) if last.samples)

    def _decoded(self) -> Iterator[tuple[float, av.AudioFrame]]:
        """(seconds after the first picture, frame); what is broken is stepped over."""
        clock, broken = _Clock(self._origin_s, self._stream.time_base), 0
        for packet in _demuxed(self._container, self._stream):
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                broken += 1
                if broken >= _MAX_BROKEN_PACKETS:
                    return
                continue
            broken = 0
            for frame in frames:
                length = Fraction(frame.samples, frame.sample_rate)
                yield float(clock.place(frame.pts, round(length / clock.base)) * clock.base), frame


@contextmanager
def opened_sound(path: Path) -> Iterator[Sound | None]:
    """The default sound of a local video file; ``None`` when it has none that can be decoded.

    Raises:
        DecodeError: the file cannot be read, or holds no picture, so that nothing says when 0 is.
    """
    first = next(file_pictures(path)).raw
    origin_s = 0.0 if first.pts is None or not first.time_base else float(first.pts * first.time_base)
    options = {"protocol_whitelist": "file", "pattern_type": "none"}
    try:
        container = av.open(str(path.absolute()), options=options, metadata_errors="replace")
    except (av.error.FFmpegError, OSError) as error:
        raise DecodeError(f"{path}: expected a file with sound, it cannot be read ({error.strerror})") from error
    with container:
        stream = container.streams.best("audio") if container.streams.audio else None
        if stream is None or stream.codec_context is None or not stream.codec_context.sample_rate:
            yield None
        else:
            yield Sound(container, stream, origin_s)


class _Clock:
    """Places time stamps after the first picture; those that are missing or jump continue where the last one ended."""

    def __init__(self, origin_s: float, base: Fraction) -> None:
        self._origin, self.base = round(origin_s / base), base
        self._end: int | None = None

    def place(self, stamp: int | None, length: int) -> int:
        expected = self._end or 0
        now = expected if stamp is None else stamp - self._origin
        if stamp is not None and self._end is not None and not -1.0 <= (now - expected) * self.base <= MAX_HOLD_S:
            now, self._origin = expected, stamp - expected
        self._end = now + length
        return now


def _demuxed(container: av.container.InputContainer, stream: av.AudioStream) -> Iterator[av.Packet]:
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError:
            return  # the end of a truncated file
        if packet is None:
            return
        yield packet
