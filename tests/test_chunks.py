"""One policy of chunks: values a row, and a budget a kind of device."""

import pytest
import torch

from augspec import features as F
from augspec._chunks import chunks, in_chunks

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
FOUR_SECONDS = 64_000


@pytest.mark.parametrize(
    ("values", "rows"),
    [
        (4 * FOUR_SECONDS, 8),  # the vocoder, the onsets and the formants, by channel
        (8 * FOUR_SECONDS, 4),  # the fused path, by example
        (2**30, 1),
        (1, 2**21),
    ],
)
def test_rows_at_a_time_on_a_cpu(values, rows):
    assert chunks(rows, values, CPU) == [slice(None)]
    assert chunks(rows + 1, values, CPU) == [slice(0, rows), slice(rows, rows + 1)]


def test_elsewhere_only_memory_is_bounded():
    assert chunks(64, 8 * FOUR_SECONDS, CUDA) == [slice(None)]
    assert len(chunks(64, 2**25, CUDA)) == 16


def test_no_rows_are_one_chunk():
    assert chunks(0, 5, CPU) == [slice(None)]
    assert in_chunks(lambda some: torch.zeros(0, 3)[some], 0, 5, CPU).shape == (0, 3)


def test_a_graph_is_not_cut_into_chunks():
    counts = []

    def work(x):
        counts.append(len(chunks(x.shape[0], 2**21, x.device)))
        return in_chunks(lambda some: x[some] + 1, x.shape[0], 2**21, x.device)

    x = torch.randn(5, 2)
    assert torch.equal(work(x), x + 1)
    assert counts == [5]
    assert torch.equal(torch.compile(work, backend="eager")(x), x + 1)
    assert counts[-1] == 1


def test_a_spectrogram_of_many_examples_is_that_of_each():
    feature = F.Spectrogram(n_fft=1024, hop_length=16)
    waveform, lengths = torch.randn(5, 2, 20_000), torch.tensor([20_000, 1, 900, 0, 12_345])
    for some in (None, lengths):
        whole = feature(waveform, some)
        whole = whole if some is None else whole[0]
        for i in range(5):
            one = feature(waveform[i : i + 1], None if some is None else some[i : i + 1])
            torch.testing.assert_close(one if some is None else one[0], whole[i : i + 1])
