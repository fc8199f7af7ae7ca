"""What a face does whatever it feels: it blinks, speaks, looks about, raises its brows, nods.

It is drawn the same way for every expression, and no part of it knows the direction of time: reversed, it is an equally
likely life (stationary sines with random phases, blinks and pulses that are symmetric in themselves). Only so is the
direction of an expression the one thing that tells an onset from an offset.
"""

import numpy as np
from jaxtyping import Float32, Float64

from maedfer.synth.dynamics import Wander, smooth
from maedfer.synth.expressions import speech_weights, unit_columns
from maedfer.synth.rig import UNITS

__all__ = ["Life"]

# Blinks are drawn from long before the clip, so that their beginning is forgotten.
_BEFORE_S = 30.0
_STRONGEST = 1.6
# Speaking takes these out of the way: nobody speaks with lips pressed together or pushed up.
_CLOSERS = ("mouthPress", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthClose")


class Life:
    """The course of all that is not the expression.

    Args:
        rng: draws the whole course.
        seconds: of the clip or scene.
        talk: 0 says nothing, 1 speaks clearly, 1.3 speaks with a wide mouth.
    """

    def __init__(self, rng: np.random.Generator, seconds: float, talk: float) -> None:
        self._talk = talk
        gaps = rng.exponential(3.2, 24 + int(1.5 * (seconds + _BEFORE_S) / 3.8)) + 0.6
        self._blinks = np.cumsum(gaps) - _BEFORE_S
        self._blink_s = float(rng.uniform(0.22, 0.34))
        self._syllables = Wander(rng, 4, 1.2, 3.6)
        self._phrases = Wander(rng, 1, 0.2, 0.5)
        self._gaze = Wander(rng, 2, 0.1, 0.5)
        self._gaze_at = rng.normal(0, 0.12, 2)
        self._aside = (rng.random() < 0.25) * rng.normal(0, [0.45, 0.25])
        self._aside_at = (float(rng.uniform(0, seconds)), float(rng.uniform(0.5, 1.6)))
        self._head = Wander(rng, 6, 0.12, 0.75)
        self._head_size = rng.uniform(0.4, 1.3)
        self._twitch = Wander(rng, len(UNITS), 0.2, 1.2)
        self._flash = float(rng.random() < 0.3) * float(rng.uniform(0.15, 0.4))
        self._flash_at = (float(rng.uniform(0, seconds)), float(rng.uniform(0.25, 0.5)))
        self._nod = (rng.random() < 0.35) * float(rng.uniform(2.5, 8.0)) * np.eye(3)[int(rng.choice([0, 1, 1, 2]))]
        self._nod_at = (float(rng.uniform(0, seconds)), float(rng.uniform(0.8, 1.8)))
        self._nod_wave = (float(rng.uniform(1.0, 2.4)), float(rng.uniform(0, 2 * np.pi)))

    def weights(self, times: Float64[np.ndarray, "T"], shown: Float64[np.ndarray, "T K"]) -> Float32[np.ndarray, "T K"]:
        """Weights of all units, 0..1.6, with an expression laid over the face's life.

        Args:
            times: seconds.
            shown: the expression's own weights at each time.
        """
        weights = np.asarray(shown * (1 + 0.07 * self._twitch(times)), np.float64)
        self._speak(weights, times)
        flash = self._flash * _pulse(times, *self._flash_at)
        for name in ("browInnerUp", "browOuterUp"):
            for column in unit_columns(name):
                weights[:, column] = np.maximum(weights[:, column], flash)
        self._look(weights, times)
        return np.asarray(np.clip(weights, 0, _STRONGEST), np.float32)

    def head(self, times: Float64[np.ndarray, "T"]) -> Float64[np.ndarray, "T 6"]:
        """Yaw, pitch, roll in degrees and shifts x, y, z in eye distances, around 0."""
        moved: Float64[np.ndarray, "T 6"] = (
            self._head(times) * self._head_size * np.array([3.5, 2.2, 1.6, 0.05, 0.04, 0.15])
        )
        hz, phase = self._nod_wave
        swing = np.sin(2 * np.pi * hz * times + phase) * _pulse(times, *self._nod_at)
        moved[:, :3] += swing[:, None] * self._nod
        return moved

    def _speak(self, weights: Float64[np.ndarray, "T K"], times: Float64[np.ndarray, "T"]) -> None:
        """Add the mouth shapes of speech; in place."""
        if self._talk == 0:
            return
        spoken = np.maximum(self._syllables(times), 0) * np.clip(0.6 + self._phrases(times), 0, 1.2) * self._talk
        opening = np.clip(spoken[:, :3].sum(1), 0, 1)
        for name in _CLOSERS:
            for column in unit_columns(name):
                weights[:, column] *= 1 - 0.6 * opening
        added = spoken @ speech_weights()
        # An open mouth has less room left to open than a closed one.
        weights += added * np.clip(1 - 0.6 * weights, 0.2, 1)

    def _look(self, weights: Float64[np.ndarray, "T K"], times: Float64[np.ndarray, "T"]) -> None:
        """Add gaze and blinks; in place."""
        closed = self._closed(times)
        look = self._gaze_at + 0.12 * self._gaze(times) + _pulse(times, *self._aside_at)[:, None] * self._aside
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

    def _closed(self, times: Float64[np.ndarray, "T"]) -> Float64[np.ndarray, "T"]:
        """How far the lids are closed by blinks, 0..1."""
        nearest = np.abs(times[:, None] - self._blinks).min(1) / (self._blink_s / 2)
        return smooth(1.3 * (1 - nearest))


def _pulse(times: Float64[np.ndarray, "T"], middle_s: float, width_s: float) -> Float64[np.ndarray, "T"]:
    """A symmetric bump of height 1."""
    return smooth(2.4 * (1 - np.abs(times - middle_s) / (width_s / 2) / 1.2))
