"""The cards of a chain: one per transform, with its settings."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from inspect import Parameter
from typing import Any

import yaml
from nicegui import ui

from augspec import transforms as T
from augspec.config import parse_yaml
from augspec.explore.chain import Step, new_step, windows
from augspec.explore.controls import Control, Stage, Window, controls_of, hint_of

__all__ = ["Cards"]

_FIELD = "dense outlined debounce=400"


class Cards:
    """A list of steps that can be set, moved, removed and added.

    Args:
        steps: The steps; they are edited.
        stage: Waveforms or spectrograms.
        rates: Returns the sample rate at a step.
        page: ``changed`` is called after each change, ``adder`` is opened, and ``faults`` keeps a
            label for each step.
    """

    def __init__(
        self, steps: list[Step], stage: Stage, rates: Callable[[int], int], page: Any
    ) -> None:
        self._steps, self._stage, self._rates, self._page = steps, stage, rates, page
        self._box = ui.column().classes("w-full gap-2")
        name = "transform" if stage == "waveform" else "spectrogram transform"
        ui.button(f"Add {name}", icon="add", on_click=self._open).props("flat dense no-caps")
        self._draw()

    def _open(self) -> None:
        self._page.adder.open(self._stage, self._add)

    def _add(self, kind: type[T.RandomTransform]) -> None:
        rate = self._rates(len(self._steps))
        self._steps.append(new_step(kind, self._stage, self._page.sounds, rate))
        self._redraw()

    def _redraw(self) -> None:
        self._draw()
        self._page.changed()

    def _draw(self) -> None:
        self._box.clear()
        with self._box:
            for place, step in enumerate(self._steps):
                self._card(place, step)

    def _card(self, place: int, step: Step) -> None:
        with ui.card().props("flat bordered").classes("w-full p-3 gap-1"):
            with ui.row().classes("w-full items-center gap-0 flex-nowrap"):
                ui.label(step.name).classes("font-medium grow")
                _button("help_outline", f"About {step.name}", lambda: _explain(step.kind))
                _button("arrow_upward", f"Move {step.name} up", lambda: self._move(place, -1))
                _button("arrow_downward", f"Move {step.name} down", lambda: self._move(place, 1))
                _button("close", f"Remove {step.name}", lambda: self._remove(place))
            ui.label(hint_of(step.kind)).classes("text-xs text-gray-600 -mt-1")
            fault = ui.label().classes("text-sm text-red-700").props("role=alert")
            fault.visible = False
            self._page.faults[step] = fault
            self._settings(step, self._rates(place))

    def _move(self, place: int, by: int) -> None:
        if 0 <= place + by < len(self._steps):
            self._steps.insert(place + by, self._steps.pop(place))
            self._redraw()

    def _remove(self, place: int) -> None:
        self._page.faults.pop(self._steps.pop(place), None)
        self._redraw()

    def _settings(self, step: Step, rate: int) -> None:
        controls = [c for c in controls_of(step.kind) if c.kind != "rate"]
        found = windows(step, rate, self._page.sounds)
        first = [c for c in controls if c.kind in ("range", "steps", "bank") or _is_needed(c)]
        rest = [c for c in controls if c not in first and c.name != "p"]
        if len(first) == 0:
            first, rest = rest, []
        for control in [*first, *(c for c in controls if c.name == "p")]:
            self._setting(step, control, rate, found.get(control.name))
        if rest:
            with ui.expansion("More settings").props("dense").classes("w-full text-sm"):
                for control in rest:
                    self._setting(step, control, rate)

    def _setting(
        self, step: Step, control: Control, rate: int, window: Window | None = None
    ) -> None:
        def change(value: Any) -> None:
            step.values[control.name] = value
            self._page.changed()

        value = step.values[control.name]
        if control.kind == "steps":
            with ui.column().classes("w-full gap-1 pl-3 border-l-2 border-gray-300"):
                _label(control)
                Cards(value, self._stage, lambda _: rate, self._page)
        elif control.kind == "range" and window is not None:
            _range(control, window, value, change)
        elif control.name == "p":
            _probability(control, value, change)
        elif control.kind == "switch":
            _with_hint(ui.switch(control.name, value=value), control).on_value_change(
                lambda event: change(event.value)
            )
        elif control.kind == "number":
            _number(control, value, change)
        elif control.kind == "choice":
            options = [*control.choices, *([None] if control.optional else [])]
            names = {option: "None" if option is None else option for option in options}
            field = ui.select(names, label=control.name, value=value)
            field.on_value_change(lambda event: change(event.value))
            _with_hint(field, control).classes("w-full").props("dense outlined")
        elif control.kind == "bank":
            self._bank(control, value, change)
        else:
            _text(control, value, change)

    def _bank(self, control: Control, value: Any, change: Callable[[Any], None]) -> None:
        if isinstance(value, dict):
            ui.label(f"{control.name}: that of the config").classes("text-sm")
        elif not self._page.sounds.has_files:
            ui.label(f"{control.name}: none, as there is no folder").classes("text-sm")
        else:
            field = ui.select(
                self._page.sounds.names, label=control.name, value=value or [], multiple=True
            )
            field.on_value_change(lambda event: change(list(event.value or [])))
            _with_hint(field, control).classes("w-full").props("dense outlined use-chips")


def _is_needed(control: Control) -> bool:
    return control.default is Parameter.empty


def _button(icon: str, label: str, click: Callable[[], Any]) -> None:
    button = ui.button(icon=icon, on_click=click).props("flat dense round size=sm color=grey-8")
    button.props["aria-label"] = label


def _explain(kind: type) -> None:
    """Show a docstring."""
    text = inspect.getdoc(kind) or ""
    with ui.dialog(value=True) as dialog, ui.card().classes("w-full max-w-2xl"):
        ui.label(kind.__name__).classes("text-lg font-medium")
        ui.label(text).classes("font-mono text-xs whitespace-pre-wrap w-full overflow-y-auto")
        ui.button("Close", on_click=dialog.close).props("flat no-caps")
    dialog.on("hide", dialog.delete)


def _with_hint(element: Any, control: Control) -> Any:
    if control.hint:
        with element:
            ui.tooltip(control.hint).classes("max-w-xs text-xs").props("delay=500")
    return element


def _label(control: Control) -> None:
    _with_hint(ui.label(control.name).classes("text-sm grow"), control)


def _range(
    control: Control, window: Window, value: list[float], change: Callable[[Any], None]
) -> None:
    """Set a range by a slider of two thumbs, and by two numbers that may lie outside it."""
    own, quiet = [*value], False

    def show(place: int, number: float) -> None:
        nonlocal quiet
        quiet = True
        fields[place].value = number
        quiet = False

    def slide(event: Any) -> None:
        for place, end in enumerate(("min", "max")):
            position = event.args[end]
            if position != window.position(own[place]):  # the moved thumb
                own[place] = window.value(position)
                show(place, own[place])
        change([*own])

    def enter(place: int, number: float | None) -> None:
        if quiet:
            return
        own[place] = _as_number(control, number)
        if all(isinstance(end, int | float) for end in own):
            low, high = sorted(map(window.position, own))
            slider.value = {"min": low, "max": high}
        change([*own])

    with ui.row().classes("w-full items-center gap-1 flex-nowrap"):
        _label(control)
        fields = []
        for place, name in enumerate(("low", "high")):
            field = ui.number(
                value=own[place], on_change=lambda event, place=place: enter(place, event.value)
            )
            field.props(f"{_FIELD} hide-bottom-space").classes("w-24")
            field.props["aria-label"] = f"{control.name} {name}"
            fields.append(field)
    slider = ui.range(
        min=0,
        max=Window.POSITIONS,
        value=dict(zip(("min", "max"), map(window.position, own), strict=True)),
    )
    slider.on("update:model-value", slide, throttle=0.05)
    slider.classes("w-full px-2").props["aria-label"] = control.name
    with ui.row().classes("w-full justify-between text-xs text-gray-500 -mt-2 px-1"):
        ui.label(f"{window.low:g}")
        ui.label(f"{window.high:g}")


def _probability(control: Control, value: float, change: Callable[[Any], None]) -> None:
    with ui.row().classes("w-full items-center gap-3 flex-nowrap"):
        _with_hint(ui.label("p").classes("text-sm"), control)
        slider = ui.slider(min=0.0, max=1.0, step=0.05, value=value).classes("grow")
        slider.props["aria-label"] = "p"
        ui.label().classes("text-sm w-8 text-right").bind_text_from(slider, "value", "{:g}".format)
        slider.on_value_change(lambda event: change(event.value))


def _number(control: Control, value: float | None, change: Callable[[Any], None]) -> None:
    field = ui.number(label=control.name, value=value).props(_FIELD).classes("w-full")
    if control.optional:
        field.props["placeholder"] = "None"
    field.on_value_change(lambda event: change(_as_number(control, event.value)))
    _with_hint(field, control)


def _as_number(control: Control, value: float | None) -> Any:
    if value is None or not control.whole:
        return value
    return int(value) if value == int(value) else value


def _text(control: Control, value: Any, change: Callable[[Any], None]) -> None:
    """Set an argument without a control, as YAML."""
    shown = "" if value is None else yaml.safe_dump(value, default_flow_style=True, width=10_000)
    shown = shown.strip().removesuffix("...").strip()
    field = ui.input(label=control.name, value=shown).props(_FIELD).classes("w-full")
    if control.choices:
        field.props["placeholder"] = f"{', '.join(control.choices)} or a number"
    field.on_value_change(lambda event: change(_read(event.value)))
    _with_hint(field, control)


def _read(text: str | None) -> Any:
    """Read YAML; invalid YAML stays text, for which the constructor raises a clear error."""
    text = (text or "")[:2000]
    try:
        return parse_yaml(text)
    except ValueError:
        return text
