"""The page: sound, chain, draws and code."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from nicegui import run, ui

from augspec import Frontend, features
from augspec.explore.adder import Adder
from augspec.explore.cards import Cards
from augspec.explore.chain import Step
from augspec.explore.code import python_of, yaml_of
from augspec.explore.controls import controls_of
from augspec.explore.reading import read_file
from augspec.explore.recorder import SCRIPT
from augspec.explore.render import Rendering, Version
from augspec.explore.server import Session
from augspec.explore.sounds import SECONDS

__all__ = ["Page"]

# A playing player continues at the same position when it gets a new sound, so that the user hears a
# slider while moving it. Setting a source stops a player without the event `pause`.
_PLAY_ON = {
    "play": "event => { event.target.dataset.plays = 1; }",
    "pause": "event => { delete event.target.dataset.plays; }",
    "timeupdate": "event => { if (!event.target.paused) "
    "event.target.dataset.at = event.target.currentTime; }",
    "loadedmetadata": "event => { const own = event.target; if (own.dataset.plays) "
    "{ own.currentTime = Math.min(own.dataset.at || 0, own.duration); own.play(); } }",
}
_COPY = """() => navigator.clipboard.writeText(document.getElementById('%s').textContent)"""


class Page:
    """The content of one browser tab.

    Args:
        session: The state that all tabs share.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.sounds = session.sounds
        self.setup = session.begin()
        self.faults: dict[Step, ui.label] = {}
        self._stale = True
        self._versions: list[_VersionCard] = []
        ui.colors(primary="#4a2a7a")
        ui.query(".nicegui-content").classes("p-3 md:p-5 gap-4")
        self.adder = Adder(self.sounds)
        with ui.column().classes("w-full max-w-screen-2xl mx-auto gap-4"):
            self._head()
            with ui.element("div").classes("w-full grid gap-6 lg:grid-cols-[23rem_minmax(0,1fr)]"):
                with ui.column().classes("w-full gap-3 min-w-0"):
                    self._sound()
                    self._chains()
                with ui.column().classes("w-full gap-3 min-w-0"):
                    self._draws()
                    self._code()
        # Check often, so that a change is heard at once; without a change it costs little.
        ui.timer(0.02, self._work)

    def changed(self) -> None:
        """Mark the draws as outdated after a change of settings."""
        self._stale = True
        self._grid.props["aria-busy"] = "true"
        self._spinner.visible = True

    def _head(self) -> None:
        with ui.row().classes("w-full items-baseline gap-3"):
            ui.label("augspec explorer").classes("text-xl font-medium").props("role=heading")
            ui.label("Sound is that of the waveform transforms; pictures show all.").classes(
                "text-sm text-gray-600 grow"
            )
            self._file()

    def _file(self) -> None:
        """Add a button that replaces the chain by a YAML or JSON file."""

        async def opened(event: Any) -> None:
            content = await event.file.read()
            try:
                given = read_file(content, self.sounds, self.setup.sound)
            except (ValueError, OSError) as error:
                refused(f"{event.file.name}: {error}")
                return
            for name in ("seed", "draws", "start"):
                setattr(given, name, getattr(self.setup, name))
            self.setup = given
            self._session.keep(given)
            ui.navigate.reload()

        def refused(text: str) -> None:
            upload.reset()
            ui.notify(text, type="negative", position="bottom", multi_line=True, timeout=10_000)

        upload = ui.upload(
            on_upload=opened,
            on_rejected=lambda: refused("a config must be one file of at most 1 MB"),
            max_file_size=1_000_000,
            auto_upload=True,
        )
        upload.props('accept=".yaml,.yml,.json"').classes("hidden")
        button = ui.button("Open YAML", icon="file_open").props("flat dense no-caps")
        button.on("click", lambda: upload.run_method("pickFiles"))

    def _sound(self) -> None:
        ui.label("Sound").classes("text-base font-medium")
        with ui.column().classes("w-full gap-1"):
            with ui.row().classes("w-full items-center gap-1 flex-nowrap"):
                choices = self.sounds.choices
                if self.setup.sound not in choices:  # a recording that was removed
                    self.setup.sound = self.sounds.first
                picked = ui.select(choices, value=self.setup.sound, with_input=True)
                picked.props('dense outlined aria-label="Sound"').classes("grow min-w-0")
                picked.on_value_change(lambda event: self._pick(event.value))
                self._picked = picked
                self._microphone()
            self._length = ui.label().classes("text-xs text-gray-600")
            self._start = ui.slider(min=0.0, max=1.0, step=0.5, value=self.setup.start)
            self._start.props('aria-label="Start in seconds" label')
            self._start.on("change", lambda event: self._set("start", float(event.args)))
            if self.sounds.left_out:
                ui.label(
                    f"{self.sounds.left_out} more are not listed: start with a folder further in."
                ).classes("text-xs text-gray-600")
        self._show_length()

    def _pick(self, name: Any) -> None:
        if name in self.sounds.choices and name != self.setup.sound:
            self.setup.sound, self.setup.start = name, 0.0
            self._start.value = 0.0
            self._show_length()
            self.changed()

    def _microphone(self) -> None:
        """Add a button that records from the microphone and selects the recording."""
        ui.add_head_html(SCRIPT)
        button = ui.button(icon="mic").props('flat dense round aria-label="Record"')
        call = f"() => window.augspecRecord({self.sounds.sample_rate}, {SECONDS})"
        button.on("click", js_handler=call)

        def show(icon: str, color: str) -> None:
            button.props(f"icon={icon} color={color}")

        def done(event: Any) -> None:
            show("mic", "primary")
            self._picked.set_options(self.sounds.choices, value=event.args)

        def failed(event: Any) -> None:
            show("mic", "primary")
            ui.notify(f"No recording: {event.args}", type="negative", position="bottom")

        ui.on("recording", lambda: show("stop", "red"))
        ui.on("recorded", done)
        ui.on("recording_failed", failed)

    def _show_length(self) -> None:
        try:
            seconds = self.sounds.seconds(self.setup.sound)
        except (ImportError, ValueError, OSError):  # `_work` shows the error
            seconds = 0.0
        is_long = seconds > SECONDS
        part = f"; {SECONDS} s from the slider's place are heard" if is_long else ""
        self._length.text = f"{seconds:.1f} s, at {self.sounds.sample_rate} Hz{part}"
        self._start.visible = is_long
        self._start.props["max"] = max(1.0, seconds - SECONDS)

    def _set(self, name: str, value: Any) -> None:
        setattr(self.setup, name, value)
        self.changed()

    def _chains(self) -> None:
        rate = self.sounds.sample_rate
        ui.label("Waveform transforms").classes("text-base font-medium")
        Cards(self.setup.waveform, "waveform", lambda place: self.setup.rates(rate)[place], self)
        ui.label("Spectrogram transforms").classes("text-base font-medium")
        Cards(self.setup.specgram, "specgram", lambda _: self.setup.rates(rate)[-1], self)
        ui.label("Features").classes("text-base font-medium")
        self._features()

    def _features(self) -> None:
        settings = self.setup.feature_settings()
        kind = getattr(features, next(iter(self.setup.features[0])))
        ui.label(", ".join(next(iter(one)) for one in self.setup.features)).classes("text-sm")
        with ui.row().classes("w-full gap-2 flex-nowrap"):
            for control in controls_of(kind):
                if control.name in ("n_fft", "hop_length", "n_mels"):
                    value = settings.get(control.name, control.default)
                    field = ui.number(label=control.name, value=value, format="%d")
                    field.props("dense outlined debounce=400").classes("w-full min-w-0")
                    field.on_value_change(
                        lambda event, name=control.name: self._set_feature(name, event.value)
                    )
        self._feature_fault = ui.label().classes("text-sm text-red-700").props("role=alert")

    def _set_feature(self, name: str, value: float | None) -> None:
        settings = self.setup.feature_settings()
        settings[name] = int(value) if value is not None and value == int(value) else value
        # The window follows the frame.
        if name == "n_fft" and "win_length" in settings:
            settings["win_length"] = None
        self.changed()

    def _draws(self) -> None:
        with ui.row().classes("w-full items-center gap-2"):
            ui.label("Draws").classes("text-base font-medium")
            seed = ui.number("seed", value=self.setup.seed, format="%d")
            seed.props("dense outlined debounce=400").classes("w-24")
            seed.on_value_change(lambda event: self._whole("seed", event.value, -(2**62), 2**62))
            count = ui.number("draws", value=self.setup.draws, min=1, max=12, format="%d")
            count.props("dense outlined debounce=400").classes("w-20")
            count.on_value_change(lambda event: self._whole("draws", event.value, 1, 12))

            def again() -> None:
                seed.value = self.setup.seed + 1

            ui.button("New draws", icon="casino", on_click=again).props("no-caps unelevated")
            self._spinner = ui.spinner(size="sm")
        self._fault = ui.label().classes("text-sm text-red-700").props("role=alert")
        self._grid = ui.element("div").classes(
            "w-full grid gap-3 grid-cols-1 sm:grid-cols-2 2xl:grid-cols-3"
        )
        self._grid.props["aria-busy"] = "true"

    def _whole(self, name: str, value: float | None, low: int, high: int) -> None:
        if value is not None and low <= value <= high and int(value) != getattr(self.setup, name):
            self._set(name, int(value))

    def _code(self) -> None:
        with ui.tabs().props("dense no-caps align=left") as tabs:
            ui.tab("Python")
            ui.tab("YAML")
        self._texts = {}
        with ui.tab_panels(tabs, value="Python", keep_alive=True).classes("w-full"):
            for name in ("Python", "YAML"):
                with ui.tab_panel(name).classes("p-0 gap-1"):
                    button = ui.button(f"Copy {name}", icon="content_copy")
                    button.props("flat dense no-caps")
                    button.on("click", js_handler=_COPY % name.lower())
                    button.on("click", lambda: ui.notify("Copied", position="bottom"))
                    if name == "YAML":
                        save = ui.button("Save YAML", icon="download", on_click=self._save)
                        save.props("flat dense no-caps")
                    text = ui.label().classes(
                        "font-mono text-xs whitespace-pre overflow-x-auto w-full p-3 rounded "
                        "bg-gray-100"
                    )
                    text.props(f"id={name.lower()}")
                    self._texts[name] = text

    def _save(self) -> None:
        ui.download.content(self._texts["YAML"].text, "frontend.yaml")

    async def _work(self) -> None:
        """Compute the draws after a change of settings; a chain with an error shows none."""
        if not self._stale:
            return
        self._stale = False
        setup, sounds = self.setup, self.sounds
        self._session.keep(setup)
        try:
            frontend = self._build()
            if frontend is None:
                return
            rates = (sounds.sample_rate, setup.rates(sounds.sample_rate)[-1])
            job = (setup.sound, setup.start, setup.seed, setup.draws)
            python, config = python_of(frontend, setup, sounds), yaml_of(frontend)

            def hear() -> Rendering:
                waveform = sounds.read(*job[:2])
                return Rendering(frontend, waveform, rates, *job[2:])

            rendering = await run.io_bound(hear)
            if rendering is None:  # the server is stopping
                return
            self._fault.text = ""
            self._texts["Python"].text, self._texts["YAML"].text = python, config
            self._show(rendering.versions, *job)
            await self._draw(rendering)
        except (ImportError, ValueError, OSError, RuntimeError, TypeError) as error:
            self._fault.text = str(error)
            return
        finally:
            self._show_busy()

    async def _draw(self, rendering: Rendering) -> None:
        """Show the pictures one by one; after a new change, its sounds come first."""
        pictures = rendering.draw()
        for card in [*self._versions]:
            if self._stale or (picture := await run.io_bound(next, pictures, None)) is None:
                return
            card.show_picture(f"/made/{self._session.store.put(picture, 'png')}")

    def _build(self) -> Frontend | None:
        """Make the front end, or show errors beside the settings."""
        found = self.setup.faults(self.sounds)
        self.faults = {step: label for step, label in self.faults.items() if not label.is_deleted}
        for step, label in self.faults.items():
            label.text = found.get(step, "")
            label.visible = step in found
        self._feature_fault.text = ""
        if found:
            return None
        try:
            return self.setup.build(self.sounds)
        except ValueError as error:
            self._feature_fault.text = str(error).rpartition(": ")[2]
            return None

    def _show_busy(self) -> None:
        self._spinner.visible = self._stale
        self._grid.props["aria-busy"] = str(self._stale).lower()

    def _show(
        self, versions: list[Version], sound: str, start: float, seed: int, draws: int
    ) -> None:
        while len(self._versions) > len(versions):
            self._versions.pop().delete()
        with self._grid:
            while len(self._versions) < len(versions):
                self._versions.append(_VersionCard())
        store = self._session.store
        for place, (card, version) in enumerate(zip(self._versions, versions, strict=True)):
            title = f"Draw {place} of {draws}, seed {seed}"
            source = f"/made/{store.put(version.sound, 'wav')}"
            if place == 0:
                title = f"Original: {sound}"
                source = f"/sound/{quote(sound)}?{urlencode({'start': start})}"
            card.show(title, version, source)


class _VersionCard:
    """Picture, player and parameters of one version."""

    def __init__(self) -> None:
        with ui.card().props("flat bordered").classes("w-full p-2 gap-1 min-w-0") as self._card:
            self._title = ui.label().classes("text-sm font-medium w-full break-words")
            self._picture = ui.element("img").classes("w-full h-auto")
            self._player = ui.audio("").classes("w-full h-9")
            for event, handler in _PLAY_ON.items():
                self._player.on(event, js_handler=handler)
            self._about = ui.label().classes("text-xs whitespace-pre-line text-gray-700")

    def show(self, title: str, version: Version, sound: str) -> None:
        """Load the sound of a new version into the player."""
        self._title.text = title
        self._picture.props["alt"] = f"Waveform above spectrogram. {title}"
        if self._player.props["src"] != sound:
            self._player.set_source(sound)
        self._player.props["aria-label"] = title
        quieter = f"\nturned down by {-version.gain_db:.1f} dB" if version.gain_db else ""
        self._about.text = f"{version.about}{quieter}".strip()

    def show_picture(self, picture: str) -> None:
        """Show the picture at an address."""
        self._picture.props["src"] = picture

    def delete(self) -> None:
        """Remove the card from the page."""
        self._card.delete()
