"""The page in a browser, used as a person would."""

import io

import numpy as np
import pytest
import soundfile
import torch
from browser import launch, needs_chromium

import augspec
from augspec.plot.sound import wav

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
            "document.getElementById('python').textContent.includes(word))",
            arg=list(words),
        )

    def add(self, name):
        self.page.get_by_role("button", name="Add transform", exact=True).last.click()
        self.page.get_by_label("Search").fill(name)
        self.page.get_by_text(name, exact=True).and_(
            self.page.locator(".q-dialog .q-item__label")
        ).first.click()
        self.wait_for(f"T.{name}(")

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
        browser = launch(playwright)
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.grant_permissions(["clipboard-read", "clipboard-write"])
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
    widths = page.eval_on_selector_all("img", "all => all.map(one => one.naturalWidth)")
    assert len(widths) == 4
    assert all(widths)
    seconds = page.eval_on_selector_all("audio", "all => all.map(one => one.duration)")
    assert seconds == pytest.approx([1.0] * 4, abs=0.01)
