"""Pre-training and fine-tuning on Accelerate: one process or many."""

from maedfer.train.loop import Job, train

__all__ = ["Job", "train"]
