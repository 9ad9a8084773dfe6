"""Features as ONNX graphs: ONNX Runtime gives torch's numbers, for any batch and any time."""

import numpy as np
import onnxruntime
import pytest
import releases
import torch

import augspec
from augspec import features as F
from augspec import transforms as T

SETTINGS = {"n_fft": 512, "hop_length": 160}
MEL = {"sample_rate": 16_000, "n_mels": 40, **SETTINGS}
FEATURES = {
    "Spectrogram": F.Spectrogram(**SETTINGS),
    "LogMelSpectrogram": F.LogMelSpectrogram(**MEL, window="hamming"),
    "MFCC": F.MFCC.example(),
    "PCEN": F.PCEN(**MEL),
    "Fbank": F.Fbank(16_000, 40),
    "CQT": F.CQT(16_000, hop_length=256, f_min=261.6, n_bins=48),
    "front end": augspec.Frontend(
        T.Chain([T.PitchShift(), T.Gain()]),
        torch.nn.Sequential(F.LogMelSpectrogram(**MEL), F.Normalize()),
        T.TimeMask(10),
    ),
}


def noise(*shape):
    return 0.1 * torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.slow
@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.filterwarnings("ignore")  # of the exporter, about itself
def test_the_graph_takes_any_batch_and_time(name, tmp_path):
    feature = FEATURES[name].eval()
    free = {0: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.DYNAMIC}
    with torch.no_grad():
        program = torch.onnx.export(
            feature, (noise(2, 1, 16_000),), dynamo=True, dynamic_shapes=(free,), verbose=False
        )
    program.save(tmp_path / "feature.onnx")
    session = onnxruntime.InferenceSession(
        tmp_path / "feature.onnx", providers=["CPUExecutionProvider"]
    )
    (given,) = session.get_inputs()
    for shape in ((2, 1, 16_000), (3, 1, 24_000), (1, 1, 11_111)):
        waveform = noise(*shape)
        (made,) = session.run(None, {given.name: waveform.numpy()})
        expected = feature(waveform).numpy()
        assert made.shape == expected.shape
        np.testing.assert_allclose(made, expected, rtol=1e-3, atol=1e-4)


@releases.exports_open_sizes
@pytest.mark.parametrize("name", ["PCEN", "CQT"])
def test_what_is_exported_takes_any_batch_and_time(name):
    feature = FEATURES[name].eval()
    free = {0: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.DYNAMIC}
    program = torch.export.export(feature, (noise(2, 1, 16_000),), dynamic_shapes=(free,))
    for shape in ((2, 1, 16_000), (3, 1, 24_000), (1, 1, 11_111)):
        waveform = noise(*shape)
        made = program.module()(waveform)
        torch.testing.assert_close(made, feature(waveform), rtol=1e-4, atol=1e-5)
