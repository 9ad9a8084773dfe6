"""The engine of an ablation: what to run, running it, and what the runs say.

``python -m augspec.ablation`` is its command line; nothing of `augspec` imports it, and it needs
``pip install "augspec[recipes]"``.

Read in this order: `study` has all settings and `arms` what is there by name, `runs` turns a study
into one config a run, `plan` reads what a config holds, `preflight` asks the machine, `data` opens
the notes, `train` does one run, `execute` and `processes` do all of them, `analyse` compares the
arms and `report` shows what came out; `command` puts it together.
"""
