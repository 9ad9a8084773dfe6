"""Measure which augmentation of the waveform helps, with confidence intervals and costs.

It trains the same backbone once for each arm and seed, on log-mel spectrograms of waveforms that
are augmented in every step, and compares each arm with the arm ``none``. Scores are measured on
instruments that are not in the training set.

    python recipes/ablation.py --data gm-notes --arms none,robust --epochs 8 --conditions all-3
    python recipes/ablation.py --data nsynth --root DIR --seeds 3
    python recipes/ablation.py --study recipes/configs/study.yaml --jobs 2
    python recipes/ablation.py --task tags --data table --table FILE --separator ,
    python recipes/ablation.py --data gm-notes --out DIR --status

writes one JSON a run to OUT/runs, and OUT/summary.csv, OUT/summary.md, OUT/figure.png and
OUT/report.html. A finished run is not repeated, and a stopped run resumes from its last epoch:
after Ctrl-C, or a power cut, start the same command again.

The engine is `augspec.ablation`: its arms are in ``arms.py``, its settings in ``study.py``, and
``python -m augspec.ablation`` is the same command. A loop to read and to copy is `train.py`.
"""

import sys

from augspec.ablation.command import main

if __name__ == "__main__":
    sys.exit(main())
