"""The dialog that adds transforms to a chain."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui

from augspec import transforms as T
from augspec.explore.controls import Stage, families, hint_of, offered
from augspec.explore.sounds import Sounds

__all__ = ["Adder"]


class Adder:
    """The dialog that lists the transforms to add.

    Args:
        sounds: The sounds that can be selected.
    """

    def __init__(self, sounds: Sounds) -> None:
        self._sounds = sounds
        self._stage: Stage = "waveform"
        self._add: Callable[[type[T.RandomTransform]], None] = lambda _: None
        with ui.dialog() as self._dialog, ui.card().classes("w-full max-w-lg gap-2"):
            self._search = ui.input("Search", on_change=self._show).classes("w-full")
            self._search.props("dense outlined clearable autofocus debounce=200")
            self._list = ui.column().classes("w-full gap-0 overflow-y-auto h-[60vh] flex-nowrap")
            self._missing = ui.label().classes("text-xs text-gray-600")

    def open(self, stage: Stage, add: Callable[[type[T.RandomTransform]], None]) -> None:
        """Show the transforms of waveforms or of spectrograms; the selected one goes to ``add``."""
        self._stage, self._add = stage, add
        self._search.value = ""
        self._missing.text = _missing(stage, self._sounds)
        self._show()
        self._dialog.open()

    def _show(self) -> None:
        words = (self._search.value or "").lower().split()
        kinds = offered(self._stage, files=self._sounds.has_files)
        self._list.clear()
        with self._list:
            for family, members in families(kinds).items():
                texts = {kind: f"{kind.__name__} {family} {hint_of(kind)}" for kind in members}
                found = [k for k in members if all(word in texts[k].lower() for word in words)]
                if found:
                    ui.label(family).classes(
                        "text-xs font-bold uppercase text-gray-600 mt-2 px-2 shrink-0"
                    )
                for kind in found:
                    self._entry(kind)

    def _entry(self, kind: type[T.RandomTransform]) -> None:
        def choose() -> None:
            self._dialog.close()
            self._add(kind)

        # `shrink-0`: in a column of fixed height, rows that may shrink would overlap.
        item = ui.item(on_click=choose).classes("w-full rounded px-2 py-1 shrink-0")
        with item, ui.item_section():
            ui.item_label(kind.__name__).classes("font-medium")
            ui.item_label(hint_of(kind)).props("caption")


def _missing(stage: Stage, sounds: Sounds) -> str:
    if stage == "specgram":
        return ""
    mixing = [n for n in T.__all__ if getattr(T, n).mixes_examples]
    text = f"{', '.join(mixing)} mix the examples of a batch, and are not here."
    if not sounds.has_files:
        known = {kind.__name__ for kind in offered(stage, files=True)}
        banks = sorted(known - {kind.__name__ for kind in offered(stage, files=False)})
        text += f" {' and '.join(banks)} need files: start the explorer with a folder."
    return text
