"""Faces in time: onset, apex and offset of an expression, blinks, speech, gaze and head motion.

Everything is a function of time in seconds, drawn once from a generator: any frame rate samples the same motion.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from maedfer.synth.expressions import speech_weights
from maedfer.synth.rig import UNITS

__all__ = ["Bout", "Life", "Wander", "draw_bout"]


@dataclass(frozen=True)
class Bout:
    """One expression in time.

    Attributes:
        onset_s: the face begins to leave its rest.
        apex_s: the full expression is reached.
        offset_s: the expression begins to fade (at or after the clip's end: it stays).
        release_s: seconds that the fading takes.
    """

    onset_s: float
    apex_s: float
    offset_s: float
    release_s: float

    def curve(self, times: Float64[np.ndarray, "T"]) -> Float64[np.ndarray, "T"]:
        """Strength 0..1 at each time: smooth ramps, a held apex."""
        up = _smooth((times - self.onset_s) / max(self.apex_s - self.onset_s, 1e-6))
        down = _smooth((times - self.offset_s) / self.release_s)
        rise: Float64[np.ndarray, "T"] = up * (1 - down)
        return rise


def draw_bout(rng: np.random.Generator, seconds: float) -> Bout:
    """A bout whose apex lasts for at least about half of ``seconds``.

    Rise times follow what is reported for posed and spontaneous expressions: a quarter of a second to one second
    (Schmidt, Cohn and Tian, "Signal characteristics of spontaneous facial expressions", Biological Psychology 65, 2003)
    """
    onset = float(rng.uniform(0.02, 0.2)) * seconds
    apex = onset + float(rng.uniform(0.25, 0.6)) * min(1.0, seconds / 2.5)
    stays = rng.random() < 0.45
    offset = seconds if stays else float(rng.uniform(0.8, 0.97)) * seconds
    return Bout(onset, apex, max(offset, apex), float(rng.uniform(0.3, 0.8)))


class Wander:
    """A smooth random walk around 0 with standard deviation about 1: a sum of slow sines with random phases."""

    def __init__(self, rng: np.random.Generator, channels: int, low_hz: float, high_hz: float) -> None:
        self._hz = rng.uniform(low_hz, high_hz, (channels, 4))
        self._phase = rng.uniform(0, 2 * np.pi, (channels, 4))
        self._size = rng.uniform(0.4, 1.0, (channels, 4))

    def __call__(self, times: Float64[np.ndarray, "T"]) -> Float64[np.ndarray, "T C"]:
        """Values at each time, one column a channel."""
        waves = np.sin(2 * np.pi * self._hz * times[:, None, None] + self._phase) * self._size
        values: Float64[np.ndarray, "T C"] = waves.sum(-1) / np.sqrt((self._size**2).sum(-1) / 2)
        return values


class Life:
    """What a face does whatever it feels: blinks, speaks, looks about, moves its head.

    Args:
        rng: draws the whole course.
        seconds: for how long blinks are drawn.
        talk: 0 says nothing, 1 speaks clearly.
    """

    def __init__(self, rng: np.random.Generator, seconds: float, talk: float) -> None:
        self._talk = talk
        gaps = rng.exponential(3.2, 8 + int(seconds)) + 0.6
        self._blinks = rng.uniform(-1.0, 2.5) + np.cumsum(gaps)
        self._blink_s = float(rng.uniform(0.22, 0.34))
        self._syllables = Wander(rng, 3, 1.2, 3.6)
        self._phrases = Wander(rng, 1, 0.2, 0.5)
        self._gaze = Wander(rng, 2, 0.1, 0.5)
        self._gaze_at = rng.normal(0, 0.12, 2)
        self._head = Wander(rng, 6, 0.12, 0.75)
        self._head_size = rng.uniform(0.4, 1.3)
        self._twitch = Wander(rng, len(UNITS), 0.2, 1.2)

    def weights(
        self, times: Float64[np.ndarray, "T"], strength: Float64[np.ndarray, "T"], apex: Float32[np.ndarray, "K"]
    ) -> Float32[np.ndarray, "T K"]:
        """Weights of all units with an expression of the given strength (0..1) laid over the face's life."""
        flutter = 1 + 0.07 * self._twitch(times)
        weights = strength[:, None] * apex * flutter
        spoken = np.maximum(self._syllables(times), 0) * np.clip(0.6 + self._phrases(times), 0, 1.2)
        loud = self._talk * (1 - 0.5 * strength)
        weights = weights + (loud[:, None] * spoken) @ speech_weights()
        closed = self._closed(times)
        look = self._gaze_at + 0.12 * self._gaze(times)
        for side, sign in (("Left", 1.0), ("Right", -1.0)):
            column = UNITS.index
            weights[:, column("eyeLookOut" + side)] += np.maximum(sign * look[:, 0], 0)
            weights[:, column("eyeLookIn" + side)] += np.maximum(-sign * look[:, 0], 0)
            weights[:, column("eyeLookUp" + side)] += np.maximum(look[:, 1], 0)
            weights[:, column("eyeLookDown" + side)] += np.maximum(-look[:, 1], 0)
            weights[:, column("eyeWide" + side)] *= 1 - closed
            weights[:, column("eyeSquint" + side)] *= 1 - closed
            blink = weights[:, column("eyeBlink" + side)]
            weights[:, column("eyeBlink" + side)] = np.maximum(blink, closed)
        return np.asarray(np.clip(weights, 0, 1.6), np.float32)

    def head(self, times: Float64[np.ndarray, "T"]) -> Float64[np.ndarray, "T 6"]:
        """Yaw, pitch, roll in degrees and shifts x, y, z in eye distances, around 0."""
        scale = self._head_size * np.array([3.5, 2.2, 1.6, 0.05, 0.04, 0.15])
        moved: Float64[np.ndarray, "T 6"] = self._head(times) * scale
        return moved

    def _closed(self, times: Float64[np.ndarray, "T"]) -> Float64[np.ndarray, "T"]:
        """How far the lids are closed by blinks, 0..1."""
        nearest = np.abs(times[:, None] - self._blinks).min(1) / (self._blink_s / 2)
        return _smooth(1.3 * (1 - nearest))


def _smooth(x: Float64[np.ndarray, "T"]) -> Float64[np.ndarray, "T"]:
    """0 below 0, 1 above 1, a cubic between."""
    x = np.clip(x, 0, 1)
    return np.asarray(x * x * (3 - 2 * x), np.float64)
