"""The page in a browser, used as a person would."""

import io

import numpy as np
import pytest
import soundfile
import torch
from browser import launch, needs_chromium
from geometry import WIDTHS, faults, overlaps

import augspec
from augspec.plot.sound import wav

FAKE_MICROPHONE = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
HOSTILE = "<script>alert(1)<&>.wav"
SOUND = """async place => {
    const answer = await fetch(document.querySelectorAll('audio')[place].src);
    return Array.from(new Uint8Array(await answer.arrayBuffer()));
}"""


class Visitor:
    """What a person does with the page.

    Args:
        page: Playwright's page.
    """

    def __init__(self, page):
        self.page = page

    def wait_for(self, *words):
        """Wait until the code says so: it is shown together with the draws."""
        self.page.wait_for_function(
            "words => words.every(word => "
            "document.getElementById('python')?.textContent.includes(word))",
            arg=list(words),
        )

    def add(self, name):
        self.page.get_by_role("button", name="Add transform", exact=True).last.click()
        self.page.get_by_label("Search").fill(name)
        # The list is made anew for what was typed, and a click on the old one is lost.
        self.page.wait_for_function("document.querySelectorAll('.q-dialog .q-item').length < 20")
        self.page.get_by_text(name, exact=True).and_(
            self.page.locator(".q-dialog .q-item__label")
        ).first.click()
        self.wait_for(f"T.{name}(")

    def settle(self):
        """Wait until the pictures are those of the code."""
        self.page.locator("[aria-busy=false]").wait_for()

    def remove_all(self):
        """Take every transform out: pages of one server go on where the last one stopped."""
        buttons = self.page.locator("[aria-label^='Remove ']")
        while left := buttons.count():
            buttons.first.click()
            # The other cards are drawn anew.
            self.page.wait_for_function(
                "n => document.querySelectorAll(\"[aria-label^='Remove ']\").length < n", arg=left
            )

    def pick(self, name):
        field = self.page.get_by_label("Sound", exact=True)
        field.click()
        field.fill(name[:9])
        self.page.locator(".q-menu .q-item").get_by_text(name, exact=True).click()
        self.page.get_by_text(f"Original: {name}", exact=True).wait_for()

    def fill(self, label, value):
        self.page.get_by_label(label, exact=True).fill(str(value))

    def sound(self, place):
        """Load a player's sound as the player does."""
        return bytes(self.page.evaluate(SOUND, place))

    def copy(self, name):
        self.page.get_by_role("tab", name=name).click()
        self.page.get_by_role("button", name=f"Copy {name}").click()
        self.page.get_by_text("Copied").first.wait_for()
        return self.page.evaluate("navigator.clipboard.readText()")


@pytest.fixture
def visitor(server):
    """The page of a server, opened; any error or request elsewhere fails the test at the end."""
    from playwright.sync_api import sync_playwright

    address, problems = f"http://127.0.0.1:{server[0]}", []
    with sync_playwright() as playwright:
        browser = launch(playwright, *FAKE_MICROPHONE)
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.grant_permissions(["clipboard-read", "clipboard-write", "microphone"])
        page = context.new_page()
        page.set_default_timeout(300_000)  # no bar: machines that test are busy
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: problems.append(dialog.message))
        said, asked = [], []
        page.on("console", lambda one: said.append(one))
        page.on("request", lambda one: asked.append(one))
        page.goto(f"{address}/")
        found = Visitor(page)
        found.wait_for("frontend")
        yield found
        problems += [one.text for one in said if one.type == "error"]
        own = (address, "data:", "blob:")
        problems += [one.url for one in asked if not one.url.startswith(own)]
        browser.close()
    assert problems == []


def loudest(sound):
    samples, rate = soundfile.read(io.BytesIO(sound))
    return np.abs(np.fft.rfft(samples)).argmax() * rate / len(samples)


def cents(frequency, reference):
    return 1200 * np.log2(frequency / reference)


@pytest.mark.slow
@needs_chromium
def test_from_a_sound_to_the_code_of_a_chain(visitor, tmp_path):
    page = visitor.page
    visitor.remove_all()
    visitor.pick(HOSTILE)  # shown as text
    visitor.pick("tone.wav")
    visitor.add("PitchShift")
    original, before = visitor.sound(0), visitor.sound(1)
    assert before != original
    assert abs(cents(loudest(before), loudest(original))) < 205

    # A thumb to the end: an octave up. Then the other bound by its number.
    high = page.locator(".q-range .q-slider__thumb").nth(1).bounding_box()
    track = page.locator(".q-range").bounding_box()
    page.mouse.move(high["x"] + high["width"] / 2, high["y"] + high["height"] / 2)
    page.mouse.down()
    page.mouse.move(track["x"] + track["width"] + 50, high["y"] + 5, steps=5)
    page.mouse.up()
    visitor.wait_for("semitones=(-2.0, 12.0)")
    visitor.fill("semitones low", 11)
    visitor.wait_for("semitones=(11.0, 12.0)")
    assert visitor.sound(0) == original
    assert visitor.sound(1) != before
    assert 1095 < cents(loudest(visitor.sound(1)), loudest(original)) < 1205

    # What is wrong is said in the library's words, and changes nothing.
    visitor.fill("semitones low", 13)
    page.get_by_text("`semitones` must be (low, high) with low <= high").wait_for()
    visitor.wait_for("semitones=(11.0, 12.0)")
    visitor.fill("semitones low", 11.5)
    visitor.wait_for("semitones=(11.5, 12.0)")

    visitor.add("Gain")
    page.get_by_role("button", name="Move Gain up").click()
    page.wait_for_function(
        "/Gain[^]*PitchShift/.test(document.getElementById('python').textContent)"
    )
    page.get_by_role("button", name="New draws").click()
    visitor.wait_for("seed 1.")
    heard = [visitor.sound(place) for place in (1, 2, 3)]
    assert len(set(heard)) == 3

    python, yaml = visitor.copy("Python"), visitor.copy("YAML")
    (tmp_path / "copied.yaml").write_text(yaml, encoding="utf-8")
    names = {}
    exec(compile(python, "copied", "exec"), names)  # noqa: S102
    expected = augspec.Frontend(
        augspec.transforms.Chain(
            [
                augspec.transforms.Gain(),
                augspec.transforms.PitchShift((11.5, 12.0), sample_rate=16_000),
            ]
        ),
        augspec.features.LogMelSpectrogram(n_fft=1024, hop_length=256, n_mels=80),
    )
    assert augspec.to_config(names["frontend"]) == augspec.to_config(expected)
    assert augspec.to_config(augspec.load(tmp_path / "copied.yaml")) == augspec.to_config(expected)
    assert [wav(sound, 16_000)[0] for sound in names["sounds"]] == heard
    assert torch.isfinite(names["specgrams"]).all()

    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    visitor.settle()
    widths = page.eval_on_selector_all("img", "all => all.map(one => one.naturalWidth)")
    assert len(widths) == 4
    assert all(widths)
    seconds = page.eval_on_selector_all("audio", "all => all.map(one => one.duration)")
    assert seconds == pytest.approx([1.0] * 4, abs=0.01)


@pytest.mark.slow
@needs_chromium
def test_the_page_and_its_menu_can_be_read_at_both_widths(visitor):
    page = visitor.page
    visitor.settle()
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 844})
        assert faults(page) == []
        page.get_by_role("button", name="Add transform", exact=True).click()
        rows = page.locator(".q-dialog .q-item")
        rows.first.wait_for()
        page.wait_for_function("document.getAnimations().every(one => one.playState != 'running')")
        assert rows.count() > 50
        assert overlaps(page, ".q-dialog .q-item") == []
        assert overlaps(page, ".q-dialog .q-item .q-item__label") == []
        assert faults(page) == []
        page.keyboard.press("Escape")
        page.locator(".q-dialog__backdrop").wait_for(state="detached")
    columns = page.locator(".grid").first.evaluate(
        "one => getComputedStyle(one).gridTemplateColumns.split(' ').length"
    )
    assert columns == 1


@pytest.mark.slow
@needs_chromium
def test_a_file_brings_a_chain_back(visitor, tmp_path):
    page = visitor.page
    visitor.remove_all()
    visitor.add("WhiteNoise")
    visitor.fill("snr_db high", 25)
    visitor.fill("snr_db low", 16)
    visitor.wait_for("snr_db=(16.0, 25.0)")
    page.get_by_role("tab", name="YAML").click()
    with page.expect_download() as started:
        page.get_by_role("button", name="Save YAML").click()
    started.value.save_as(tmp_path / "mine.yaml")
    saved = augspec.to_config(augspec.load(tmp_path / "mine.yaml"))
    visitor.fill("snr_db low", 3)
    page.get_by_role("tab", name="Python").click()
    visitor.wait_for("snr_db=(3.0, 25.0)")
    chooser = page.locator(".q-uploader input[type=file]")
    chooser.set_input_files(tmp_path / "mine.yaml")
    visitor.wait_for("snr_db=(16.0, 25.0)")
    assert augspec.to_config(augspec.from_config(saved)) == saved
    (tmp_path / "theirs.yaml").write_text(
        "BackgroundNoise: {bank: {Bank: {sounds: [/etc/passwd], sample_rate: 16000}}}"
    )
    chooser.set_input_files(tmp_path / "theirs.yaml")
    page.get_by_text("must be sounds of the list").wait_for()
    visitor.wait_for("snr_db=(16.0, 25.0)")


@pytest.mark.slow
@needs_chromium
def test_a_recording_is_picked_and_heard(visitor):
    page = visitor.page
    page.get_by_role("button", name="Record").click()
    page.get_by_role("button", name="Record").locator("i", has_text="stop").wait_for()
    page.wait_for_timeout(1_000)  # what is recorded lasts this long
    page.get_by_role("button", name="Record").click()
    page.get_by_text("Original: recording-1").wait_for()
    samples, rate = soundfile.read(io.BytesIO(visitor.sound(0)))
    assert rate == 16_000
    assert 0.3 * rate < len(samples) < 10 * rate
    assert np.abs(samples).max() > 0.01  # the browser's own beeps


@pytest.mark.slow
@needs_chromium
def test_a_player_goes_on_with_the_new_sound(visitor):
    page = visitor.page
    visitor.remove_all()
    visitor.add("WhiteNoise")
    visitor.pick("deep/deeper/low.flac")
    player = page.locator("audio").nth(1)
    player.evaluate("one => { one.loop = true; one.muted = true; return one.play(); }")
    before = player.evaluate("one => one.src")
    visitor.fill("snr_db low", 10)
    page.wait_for_function(
        "old => { const one = document.querySelectorAll('audio')[1];"
        " return one.src != old && !one.paused && one.currentTime > 0; }",
        arg=before,
    )
