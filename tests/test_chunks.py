"""One policy of chunks: values a row, and a budget a kind of device."""

import pytest
import torch

from augspec import _chunks
from augspec import features as F
from augspec._chunks import by_examples, chunks, in_chunks

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
    assert chunks(64, 2**19, CUDA) == [slice(None)]
    # What does not fit is cut finer: a part leaves room for what is around it.
    assert len(chunks(64, 2**19 + 1, CUDA)) == 2
    assert len(chunks(64, 2**25, CUDA)) == 64


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


def test_a_kernel_works_on_some_examples_at_a_time_where_memory_is_short(monkeypatch):
    seen = []

    @by_examples(12)
    def kernel(waveform, gain, *, offset=None, scale=1.0):
        seen.append(len(waveform))
        out = scale * waveform * gain[:, None, None]
        return out if offset is None else out + offset[:, None, None]

    waveform, gain, offset = torch.randn(20, 1, 30), torch.rand(20), torch.rand(20)
    expected = kernel(waveform, gain, offset=offset, scale=2.0)
    assert seen == [20]  # a CPU is left alone
    monkeypatch.setattr(_chunks, "_is_bounded", lambda _: True)
    assert torch.equal(kernel(waveform, gain, offset=offset, scale=2.0), expected)
    assert seen[1:] == [20]  # all fits
    monkeypatch.setattr(_chunks, "_EXAMPLES_VALUES", 100)
    monkeypatch.setattr(_chunks, "_DEVICE_VALUES", 75)
    assert torch.equal(kernel(waveform, gain, offset=offset, scale=2.0), expected)
    assert seen[2:] == [5, 5, 5, 5]  # 12 tensors of 5 examples are 3 of all


def test_a_spectrogram_of_many_examples_is_that_of_each():
    feature = F.Spectrogram(n_fft=1024, hop_length=16)
    waveform, lengths = torch.randn(5, 2, 20_000), torch.tensor([20_000, 1, 900, 0, 12_345])
    for some in (None, lengths):
        whole = feature(waveform, some)
        whole = whole if some is None else whole[0]
        for i in range(5):
            one = feature(waveform[i : i + 1], None if some is None else some[i : i + 1])
            torch.testing.assert_close(one if some is None else one[0], whole[i : i + 1])
