"""Labelled clips: the manifest, face crops, samples for training, augmentation."""

from maedfer.data.manifest import Manifest, read_manifest

__all__ = ["Manifest", "read_manifest"]
