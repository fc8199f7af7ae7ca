"""Pre-training and fine-tuning on Accelerate: one process or many."""
