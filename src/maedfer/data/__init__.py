"""Labelled clips: the manifest, face crops, samples for training, augmentation."""
