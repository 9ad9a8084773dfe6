"""The engine of an ablation: what to run, running it, and what the runs say.

Read in this order: `plan` turns a study into one config a run, `data` opens the notes, `train` does
one run, `execute` does all of them, `analyse` compares the arms and `report` shows what came out.
"""
