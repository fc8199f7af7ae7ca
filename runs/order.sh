#!/usr/bin/env bash
# Fine-tunes the default weights on the order of two expressions, and on the same clips without their order, for control.
#   runs/order.sh [LAB]      LAB: folder, default outputs/order
set -euo pipefail
lab=${1:-outputs/order}

maedfer synth --benchmark synth-order-v1 --part train --clips 2100 --out "$lab/train"
maedfer synth --benchmark synth-order-v1 --part test --clips 480 --out "$lab/test"
scored=()
for kind in ordered one shuffled; do
    clips=$lab
    if [ "$kind" != ordered ]; then
        clips=$lab/$kind
        for part in train test; do
            python benchmarks/order.py strip "$lab/$part" "$clips/$part" --keep "$kind"
        done
    fi
    maedfer finetune demo_finetune --init default --data.manifest "$clips/train/manifest.csv" \
        --model.labels happy sad angry surprise disgust fear --unit-weight 0 --out "$lab/model-$kind"
    maedfer evaluate --manifest "$clips/test/manifest.csv" --model "$lab/model-$kind/weights" --out "$lab/scores-$kind"
    scored+=("$kind=$lab/scores-$kind")
done
python benchmarks/order.py score "$lab/test/manifest.csv" "${scored[@]}" --record order
