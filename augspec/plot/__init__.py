"""Pictures and players of waveforms and spectrograms.

Pictures need matplotlib, which is imported at the first drawing: ``pip install "augspec[plot]"``.
Each function draws into your axes or into a new figure, and returns the axes; ``axes.figure`` is
the figure.
"""

from augspec.plot.pictures import compare, show_batch, specgram, waveform
from augspec.plot.sound import Player, player

__all__ = ["waveform", "specgram", "show_batch", "compare", "player", "Player"]
