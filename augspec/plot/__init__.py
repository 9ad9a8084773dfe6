"""Look at waveforms and spectrograms, and listen to them.

Pictures are matplotlib's, which is imported when one is drawn: ``pip install "augspec[plot]"``.
Each function draws into axes of yours or into a new figure, and returns the axes; ``axes.figure``
is the figure.
"""

from augspec.plot.pictures import compare, show_batch, specgram, waveform
from augspec.plot.sound import Player, player

__all__ = ["waveform", "specgram", "show_batch", "compare", "player", "Player"]
