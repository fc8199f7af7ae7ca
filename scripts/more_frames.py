"""Weights of a classifier for clips of another number of frames.

python scripts/more_frames.py WEIGHTS FRAMES OUT

Positions are computed, so only the table of representative tokens changes: each new region takes that of the old one at
the same relative place.
"""

import sys
from dataclasses import replace
from pathlib import Path

from maedfer.models import ExpressionClassifier, inflate
from maedfer.weights import load_model, save_model


def main(weights: Path, frames: int, out: Path) -> None:
    """Read, spread, write."""
    before = load_model(weights)
    if not isinstance(before, ExpressionClassifier):
        sys.exit(f"{weights}: expected a classifier, got an autoencoder")
    config = replace(before.config, encoder=replace(before.config.encoder, num_frames=frames))
    after = ExpressionClassifier(config)
    after.load_state_dict(inflate(before.state_dict(), before.config, config))
    print(save_model(after, out))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
