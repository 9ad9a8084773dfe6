"""The engine of an ablation: planning runs, doing them, and analysing their results.

``python -m augspec.ablation`` is its command line. No other part of `augspec` imports it. It needs
``pip install "augspec[recipes]"``.

Read in this order: `study` has all settings and `arms` the named arms and presets, `runs` turns a
study into one config per run, `plan` reads a config, `preflight` checks the machine, `data` opens
the notes, `train` does one run, `execute` and `processes` do all of them, `analyse` compares the
arms and `report` writes the results; `command` combines them.
"""
