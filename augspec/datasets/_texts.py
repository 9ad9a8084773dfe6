"""Many short texts, such as the paths of a data set's files, in little memory."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


class Texts:
    """Texts as bytes, one after the other, and where each ends.

    A list of objects would take several times the memory, in each forked worker anew. An array of
    NumPy has the width of its longest text for each.

    Args:
        texts: The texts.
    """

    def __init__(self, texts: Iterable[bytes]) -> None:
        every = list(texts)
        self._ends = np.cumsum([len(text) for text in every])
        self._bytes = b"".join(every)

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> bytes:
        start = self._ends[index - 1] if index else 0
        return self._bytes[start : self._ends[index]]
