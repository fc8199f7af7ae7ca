"""How long would a lab pre-train on VoxCeleb2, and what would its disks and cores have to deliver?

    python benchmarks/hours.py

Arithmetic on measured results (``results/loader.json``, ``results/clip_formats.json``) and on what was not measured
here: the share of a GPU's peak that a step reaches. Multiply-adds are counted. Prints the table of docs/training.md.
"""

import json
from dataclasses import dataclass

from claims_runs import multiply_adds
from maedfer.recipes import paper_pretrain
from record import RESULTS

CLIPS = 1_092_009 - 283  # VoxCeleb2 dev without the files that cannot be decoded (published)
EPOCHS = 100
#: Operations of a clip for each multiply-add of the forward pass: two, and twice as many backward.
OPERATIONS = 2 * 3
#: Dense bf16 peak of one GPU in operations a second, as its vendor states it.
PEAK = {"A100": 312e12, "H100": 989e12}
#: Share of the peak that a step reaches: assumed, a careful and a good value.
SHARES = (0.15, 0.35)


@dataclass(frozen=True)
class Lab:
    """GPUs of one kind."""

    name: str
    kind: str
    gpus: int


LABS = (
    Lab("one A100", "A100", 1),
    Lab("one H100", "H100", 1),
    Lab("eight A100", "A100", 8),
    Lab("eight H100", "H100", 8),
    Lab("eight nodes of eight A100", "A100", 64),
    Lab("eight nodes of eight H100", "H100", 64),
)


def main() -> None:
    """Print the table."""
    loader = json.loads((RESULTS / "loader.json").read_text())["pretrain"]
    formats = json.loads((RESULTS / "clip_formats.json").read_text())
    kilobytes = [one["JPEG, quality 90"]["kB a clip"] for name, one in formats.items() if name != "run"]
    size = sum(kilobytes) / len(kilobytes) * 1e3
    files, shards = loader["mp4, loading alone"], loader["shards, loading alone"]  # a GPU augments by itself
    forward = multiply_adds(paper_pretrain().model)
    operations = OPERATIONS * forward
    print(f"{forward / 1e9:.2f} G multiply-adds forward, {operations / 1e9:.1f} G operations a clip; loading a core:")
    print(f"{files:.0f} clips a second from mp4 files and {shards:.0f} from shards;", end=" ")
    print(f"a packed clip has {size / 1e6:.2f} MB, all of them {CLIPS * size / 1e12:.1f} TB")
    print("| lab | clips a second | hours for 100 epochs | cores from mp4 | cores from shards | shards, GB/s |")
    print("|---|--:|--:|--:|--:|--:|")
    for lab in LABS:
        low, high = (lab.gpus * PEAK[lab.kind] * share / operations for share in SHARES)
        cells = (
            f"{low:,.0f}-{high:,.0f}",
            f"{CLIPS * EPOCHS / high / 3600:,.1f}-{CLIPS * EPOCHS / low / 3600:,.1f}",
            f"{low / files:,.0f}-{high / files:,.0f}",
            f"{low / shards:,.0f}-{high / shards:,.0f}",
            f"{low * size / 1e9:,.1f}-{high * size / 1e9:,.1f}",
        )
        print(f"| {lab.name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
