#!/usr/bin/env bash
# Makes the default weights from nothing, and scores them on people and forms they never saw. See benchmarks/results.
#   runs/default_weights.sh RIG [LAB]      RIG: .npz of ICT-FaceKit's arrays; LAB: folder (about 4 GB), default outputs/lab
set -euo pipefail
rig=${1:?"give the path of an .npz of the arrays of ICT-FaceKit: see docs/laboratory.md"}
lab=${2:-outputs/lab}

maedfer synth --benchmark synth-v1 --part train --clips 2400 --out "$lab/anny"
maedfer synth --clips 490 --seed 5 --rig "$rig" --size 160 --fps 6.25 --test-share 0 --out "$lab/ict"
maedfer synth --benchmark synth-v1 --part test --clips 350 --out "$lab/test"
maedfer synth --benchmark synth-v1 --part shift --clips 175 --rig "$rig" --out "$lab/shift"
python scripts/join_sets.py "$lab/manifest.csv" "$lab/ict" "$lab/anny"

maedfer pretrain demo_pretrain --data.manifest "$lab/manifest.csv" --out "$lab/pretrain"
maedfer finetune demo_finetune_short --data.manifest "$lab/manifest.csv" --init "$lab/pretrain/weights" \
  --out "$lab/finetune-4"
# What was learnt on 4 frames reads 16: positions are computed, representative tokens spread over the new regions.
python scripts/more_frames.py "$lab/finetune-4/weights" 16 "$lab/weights"

# One number makes stated confidence agree with accuracy; fitted on the validation people.
maedfer calibrate --manifest "$lab/manifest.csv" --split val --model "$lab/weights" --out "$lab/calibrated"
maedfer evaluate --manifest "$lab/test/manifest.csv" --model "$lab/weights" --out "$lab/evaluation-uncalibrated"
maedfer evaluate --manifest "$lab/test/manifest.csv" --model "$lab/calibrated" --out "$lab/evaluation"
maedfer evaluate --manifest "$lab/shift/manifest.csv" --model "$lab/calibrated" --out "$lab/evaluation-shift"
