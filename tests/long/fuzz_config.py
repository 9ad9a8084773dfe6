"""Fuzz `augspec.load`: a YAML or JSON file makes an object or is a ValueError."""

import json
import sys

import fuzzing
import yaml

import augspec
from augspec import features as F
from augspec import transforms as T
from augspec.config import is_known

ALLOWED = (ValueError,)
WRITTEN = b"""
Frontend:
  waveform:
    - TimeStretch: {rate: [0.8, 1.25], n_fft: 256}
    - PitchShift: &shift {semitones: [-2, 2], n_fft: 256, p: 0.8}
    - PolarityInversion
    - OneOf: {transforms: [Gain, {PitchShift: *shift}], weights: [1, 2]}
  features:
    - LogMelSpectrogram: {sample_rate: 16000, n_fft: 256, n_mels: 16, top_db: 8.0e+1}
    - Normalize: {mean: 1, std: 2}
  specgram: {TimeMask: {max_width: 4}}
"""


def _examples():
    made = [getattr(module, name) for module in (T, F) for name in module.__all__]
    made = [kind.example() for kind in made if is_known(kind) and hasattr(kind, "example")]
    return [config for config in map(augspec.to_config, made) if "Bank" not in json.dumps(config)]


def _seeds():
    configs = _examples()
    seeds = [json.dumps(config).encode() for config in configs]
    return [WRITTEN, *seeds, *[yaml.safe_dump(config).encode() for config in configs]]


SEEDS = _seeds()


def target(data, folder):
    """Load the bytes as YAML and as JSON; what is made can be described again."""
    refused = []
    for suffix in ("yaml", "json"):
        path = folder / f"config.{suffix}"
        path.write_bytes(data)
        try:
            made = augspec.load(path)
        except ValueError as error:
            if str(path) not in str(error):
                raise RuntimeError(f"the message does not name the file: {error}") from error
            refused.append(error)
            continue
        augspec.to_config(made)
    if refused:
        raise refused[0]


if __name__ == "__main__":
    sys.exit(fuzzing.main("configs", target, SEEDS, ALLOWED))
