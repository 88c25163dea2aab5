#!/usr/bin/env bash
# Installs FairMOT, then trains, tracks and scores a model on a synthetic dataset.
#   bash scripts/quickstart.sh [OUTPUT]        OUTPUT: folder to create or replace, default runs/quickstart
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/_env.sh"
output="$(realpath -m -- "${1:-$FAIRMOT_ROOT/runs/quickstart}")"
if [[ -e "$output" && ! -f "$output/.quickstart" ]]; then
    fail "$output exists and is not a quickstart's output: name another folder"
fi
prepare_environment
config="$FAIRMOT_ROOT/configs/quickstart.yaml"
fairmot() { "$VENV_PYTHON" -m fairmot "$@"; }

started=$SECONDS
rm -rf -- "$output"
mkdir -p -- "$output"
touch -- "$output/.quickstart"

echo "== Rendering crowded training sequences, and held-out sequences from another seed"
fairmot synthesize --output "$output/data/train" --sequences 48 --frames 20 --fps 10 --people 22 --seed 1
fairmot synthesize --output "$output/data/heldout" --sequences 2 --frames 150 --seed 1001

echo "== Training a slim DLA (every part of DLA-34, fewer channels)"
fairmot train --config "$config" --output "$output/train" DATA.ROOT "$output/data/train"

echo "== Tracking and scoring the held-out sequences"
fairmot eval --config "$config" --weights "$output/train/last.pt" --gt "$output/data/heldout" \
    --output "$output/heldout" --video | tee "$output/score.txt"

cat <<EOF

Done in $((SECONDS - started)) s. Output:
  checkpoint      $output/train/last.pt
  results         $output/heldout/results/*.txt (MOTChallenge format)
  scores          $output/heldout/metrics.json, events by frame in $output/heldout/events/
  TensorBoard     $output/train/tensorboard
  videos          $output/heldout/results/*.mp4
  contact sheets  $output/heldout/results/*.png
Next:
  $VENV_PYTHON -m tensorboard.main --logdir $output/train/tensorboard
  $VENV/bin/fairmot track --config $config --weights $output/train/last.pt --input VIDEO.mp4 --output runs/video --video
  $VENV/bin/fairmot train --config $FAIRMOT_ROOT/configs/mot17_half_dla34.yaml DATA.ROOT /path/to/MOT17-half
EOF
