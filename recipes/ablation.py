"""Which augmentation of the waveform helps, by how much, how sure is that, and what does it cost?

Trains the same backbone once for each arm and seed, on log-mel spectrograms that are made from
augmented waveforms in every step, and compares each arm with the arm ``none``. Scores are of
instruments that training has never seen.

    python recipes/ablation.py --data gm-notes --arms none,robust --epochs 8 --conditions all-3
    python recipes/ablation.py --data nsynth --root DIR --seeds 3
    python recipes/ablation.py --study recipes/configs/study.yaml --jobs 2
    python recipes/ablation.py --task tags --data table --table FILE --separator ,
    python recipes/ablation.py --data gm-notes --out DIR --status

writes one JSON a run to OUT/runs, and OUT/summary.csv, OUT/summary.md, OUT/figure.png and
OUT/report.html. A run that is finished is not repeated, and one that was stopped goes on from its
last epoch: after Ctrl-C, or a power cut, the same command goes on.

The engine is `augspec.ablation`: its arms are in ``arms.py``, its settings in ``study.py``, and
``python -m augspec.ablation`` is the same command. A loop to read and to copy is `train.py`.
"""

import sys

from augspec.ablation.command import main

if __name__ == "__main__":
    sys.exit(main())
