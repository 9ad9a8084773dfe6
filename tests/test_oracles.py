"""Every feature and every filter is compared with an oracle in float64: which, and where."""

import re
from pathlib import Path

import pytest
from public import classes

from augspec import features as F
from augspec import transforms as T

TESTS = Path(__file__).parent
FILTERS = ("filter", "equalizer", "coloration", "reverb", "resample", "filter_augment")
PARITY, EQUALIZER = "features/test_parity.py", "functional/test_equalizer.py"
DELTA, REVERB = "features/test_pcen_and_delta.py", "functional/test_reverb.py"
ORACLES = {
    "Spectrogram": [
        ("torchaudio", PARITY, "test_spectrogram_is_torchaudios"),
        ("librosa", PARITY, "test_spectrogram_is_librosas"),
    ],
    "MelSpectrogram": [
        ("torchaudio", PARITY, "test_mel_spectrogram_is_torchaudios"),
        ("librosa", PARITY, "test_mel_spectrogram_is_librosas"),
    ],
    "LogMelSpectrogram": [
        ("torchaudio", PARITY, "test_log_mel_spectrogram_is_torchaudios"),
        ("librosa", PARITY, "test_log_mel_spectrogram_is_librosas"),
    ],
    "Fbank": [
        ("torchaudio", "features/test_fbank.py", "test_it_is_torchaudios"),
        ("kaldi-native-fbank", "features/test_fbank.py", "test_it_is_kaldis_own"),
    ],
    "MFCC": [
        ("torchaudio", PARITY, "test_mfcc_is_torchaudios"),
        ("librosa", PARITY, "test_mfcc_is_librosas"),
    ],
    "CQT": [("librosa", "features/test_constant_q.py", "test_cqt_is_librosas")],
    "PCEN": [("librosa", DELTA, "test_pcen_is_librosas_from_its_initial_value")],
    "Delta": [
        ("librosa", DELTA, "test_delta_is_librosas"),
        ("torchaudio", DELTA, "test_delta_is_torchaudios"),
    ],
    "AmplitudeToDB": [("torchaudio", PARITY, "test_amplitude_to_db_is_torchaudios")],
    "ToMultiple": [
        ("numpy", "features/test_multiple.py", "test_padding_is_numpys"),
        ("pillow", "features/test_multiple.py", "test_resizing_is_pillows_to_the_nearest_multiple"),
    ],
    "Normalize": [("scipy", "features/test_normalize.py", "test_normalize_is_scipys_zscore")],
    "LowPass": [
        ("scipy", EQUALIZER, "test_pass_filters_are_scipys_butterworth"),
        ("torchaudio", EQUALIZER, "test_filters_are_torchaudios"),
    ],
    "HighPass": [
        ("scipy", EQUALIZER, "test_pass_filters_are_scipys_butterworth"),
        ("torchaudio", EQUALIZER, "test_filters_are_torchaudios"),
    ],
    "BandPass": [
        ("scipy", EQUALIZER, "test_band_pass_is_iirpeak_and_band_stop_iirnotch"),
        ("torchaudio", EQUALIZER, "test_filters_are_torchaudios"),
    ],
    "BandStop": [
        ("scipy", EQUALIZER, "test_band_pass_is_iirpeak_and_band_stop_iirnotch"),
        ("torchaudio", EQUALIZER, "test_filters_are_torchaudios"),
    ],
    "LowShelf": [
        ("scipy", EQUALIZER, "test_shelves_are_the_bilinear_transform_of_their_prototype"),
        ("torchaudio", EQUALIZER, "test_filters_are_torchaudios"),
    ],
    "HighShelf": [
        ("scipy", EQUALIZER, "test_shelves_are_the_bilinear_transform_of_their_prototype"),
        ("torchaudio", EQUALIZER, "test_filters_are_torchaudios"),
    ],
    "PeakingEQ": [("torchaudio", EQUALIZER, "test_filters_are_torchaudios")],
    # Several of the above, one after the other.
    "RandomEQ": [("PeakingEQ", EQUALIZER, "test_several_bands_are_several_peaks")],
    # No peer has these: a straight line in dB an octave, and the table of ISO 9613-2.
    "TiltEQ": [
        ("closed form", EQUALIZER, "test_a_tilt_is_a_straight_line_through_zero_at_the_centre")
    ],
    "AirAbsorption": [
        ("ISO 9613-2", REVERB, "test_attenuation_by_air_is_that_of_the_standards_table")
    ],
    "ImpulseResponse": [("scipy", REVERB, "test_convolution_equals_scipy")],
    "RoomReverb": [
        ("scipy", REVERB, "test_convolution_equals_scipy"),
        ("ISO 3382", REVERB, "test_a_made_room_decays_by_sixty_decibels_in_rt60"),
    ],
    "Resample": [("scipy", "functional/test_resample.py", "test_fixed_rates_agree_with_scipy")],
    "FilterAugment": [
        ("closed form", "transforms/test_filter_augment.py", "test_lines_go_from_edge_to_edge")
    ],
}


def test_every_feature_and_filter_has_an_oracle():
    filters = [kind for kind in classes(T) if kind.__module__.rpartition(".")[2] in FILTERS]
    assert {kind.__name__ for kind in classes(F) + filters} == ORACLES.keys()


@pytest.mark.parametrize("name", ORACLES)
def test_the_comparison_is_there_and_in_float64(name):
    for _, file, test in ORACLES[name]:
        source = (TESTS / file).read_text(encoding="utf-8")
        assert re.search(rf"^def {test}\(", source, re.MULTILINE), f"{file} has no {test}"
        assert "float64" in source
