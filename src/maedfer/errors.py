"""Every error that maedfer raises on purpose.

::

    MaedferError
    ├── ConfigError      a setting is impossible, or two settings contradict each other (also a ValueError)
    ├── DecodeError      a video, image or folder of frames cannot be read as pictures
    ├── DetectorError    a face detector's weight file is missing or not what it should be
    ├── ManifestError    a table of labelled clips is malformed or points at missing files
    ├── WeightsError     a weight file is unsafe, truncated or belongs to another model
    ├── RenderError      the synthetic laboratory lacks a rig, a driver or a library
    ├── TrainingError    a run cannot start, go on or be resumed
    └── OutputError      a result cannot be written where it was asked for

Messages say what was expected, what came, and the remedy. Only :mod:`maedfer.cli` turns them into an exit code (2).
"""

__all__ = [
    "ConfigError",
    "DecodeError",
    "DetectorError",
    "MaedferError",
    "ManifestError",
    "OutputError",
    "RenderError",
    "TrainingError",
    "WeightsError",
]


class MaedferError(Exception):
    """Base of every deliberate error, so that one ``except`` catches them all."""


class ConfigError(MaedferError, ValueError):
    """A setting is impossible, or two settings contradict each other."""


class DecodeError(MaedferError):
    """A video, image or folder of frames cannot be read as pictures."""


class DetectorError(MaedferError):
    """A face detector's weight file is missing or not what it should be."""


class ManifestError(MaedferError):
    """A table of labelled clips is malformed or points at missing files."""


class WeightsError(MaedferError):
    """A weight file is unsafe, truncated or belongs to another model."""


class RenderError(MaedferError):
    """The synthetic laboratory lacks a rig, a driver or a library."""


class TrainingError(MaedferError):
    """A run cannot start, go on or be resumed."""


class OutputError(MaedferError):
    """A result cannot be written where it was asked for."""
