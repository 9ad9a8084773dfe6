import base64
import io
import re
from html.parser import HTMLParser

import pytest
import soundfile
import torch

from augspec import plot

TONE = torch.sin(torch.arange(800) * 0.2)


def sound_of(player):
    (data,) = re.findall(r'src="data:audio/wav;base64,([^"]+)"', player.html)
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(data)), always_2d=True)
    return torch.from_numpy(samples.T).float(), rate


def test_the_page_holds_the_sound_itself():
    stereo = torch.stack([TONE, -0.5 * TONE])
    samples, rate = sound_of(plot.player(stereo, 16_000))
    assert rate == 16_000
    torch.testing.assert_close(samples, stereo, rtol=0.0, atol=1 / 32_000)
    assert torch.equal(sound_of(plot.player(TONE, 8_000))[0], samples[:1])


def test_the_level_is_kept_unless_it_would_clip():
    samples, _ = sound_of(plot.player(0.01 * TONE, 16_000))
    torch.testing.assert_close(samples[0], 0.01 * TONE, rtol=0.0, atol=1 / 32_000)
    player = plot.player(2.0 * TONE / TONE.abs().max(), 16_000, title="loud")
    samples, _ = sound_of(player)
    torch.testing.assert_close(samples[0], TONE / TONE.abs().max(), rtol=0.0, atol=1 / 32_000)
    assert "<figcaption>loud (-6.0 dB)</figcaption>" in player.html


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text += data


def test_a_title_is_text_and_never_markup():
    title = "</figcaption><script>alert('x')</script> \"&\""
    page = Tags(plot.player(TONE, 16_000, title=title).html)
    assert page.tags == ["figure", "figcaption", "audio"]
    assert page.text == title


def test_a_notebook_shows_it():
    player = plot.player(TONE, 16_000)
    assert player._repr_html_() == player.html
    assert Tags(player.html).tags == ["figure", "audio"]


@pytest.mark.parametrize("bad", [torch.zeros(1, 1, 9), torch.zeros(0), torch.tensor(1.0)])
def test_a_bad_shape_is_named(bad):
    with pytest.raises(ValueError, match=r"`waveform` must be \(time,\) or \(channel, time\)"):
        plot.player(bad, 16_000)


def test_what_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="`waveform` must be finite"):
        plot.player(torch.tensor([0.0, float("nan")]), 16_000)
