"""Pre-training and fine-tuning on Accelerate: one process or many."""

from maedfer.train.loop import Finished, Job, train

__all__ = ["Finished", "Job", "train"]
