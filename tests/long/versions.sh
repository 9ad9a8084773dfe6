#!/usr/bin/env bash
# The suite with the oldest torch that augspec supports and with the newest, each in a fresh
# environment; and the quickstart from the wheel, away from the clone.
#
#     tests/long/versions.sh [oldest|newest|wheel]...
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

environment() { python3 -m venv "$work/$1" && "$work/$1/bin/python" -m pip install -q "${@:2}"; }

oldest() {
    environment oldest "torch==2.11.*" "torchaudio==2.11.*" "timm==1.0.9" "soundfile==0.13.0" -e '.[dev]'
    "$work/oldest/bin/python" -m pytest -q
}

newest() {
    environment newest --upgrade -e '.[dev]'
    "$work/newest/bin/python" -m pytest -q
}

wheel() {
    environment build build
    "$work/build/bin/python" -m build --outdir "$work/dist" . >/dev/null
    environment wheel "$work"/dist/*.whl
    (cd "$work" && wheel/bin/python - <<'PY'
import torch

import augspec
from augspec import features as F, transforms as T

frontend = augspec.Frontend(
    waveform=T.Chain([T.TimeStretch(rate=(0.8, 1.25)), T.PitchShift(semitones=(-2.0, 2.0)), T.Gain()]),
    features=F.LogMelSpectrogram(sample_rate=16_000, n_fft=1024, hop_length=256, n_mels=64),
    specgram=T.Chain([T.TimeMask(40), T.FrequencyMask(12)]),
)
specgram = frontend(torch.randn(2, 1, 16_000))
assert specgram.shape == (2, 1, 64, 63) and specgram.isfinite().all()
print("the wheel works:", augspec.__file__)
PY
    )
}

for which in "${@:-oldest newest wheel}"; do
    for one in $which; do
        echo "== $one =="
        "$one"
    done
done
