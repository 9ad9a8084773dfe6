"""Recordings from the microphone: the code for the browser, and reading of the result."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from augspec.explore.sounds import SECONDS

__all__ = ["SCRIPT", "most_bytes", "waveform_of"]

#: Defines ``augspecRecord(rate, seconds)``, which starts a recording or stops the running one. The
#: browser decodes and resamples: an offline context converts decoded audio to its own rate.
SCRIPT = """<script>
window.augspecRecord = async (rate, seconds) => {
  if (window.augspecRecorder) { window.augspecRecorder.stop(); return; }
  const fail = error => emitEvent('recording_failed', String(error.message || error));
  if (!navigator.mediaDevices || !window.MediaRecorder) {
    return fail('this browser has none for pages');
  }
  try {
    const stream = await navigator.mediaDevices.getUserMedia({audio: true});
    const recorder = new MediaRecorder(stream), parts = [];
    window.augspecRecorder = recorder;
    recorder.ondataavailable = event => parts.push(event.data);
    recorder.onstop = async () => {
      window.augspecRecorder = null;
      stream.getTracks().forEach(track => track.stop());
      try {
        const bytes = await new Blob(parts).arrayBuffer();
        const decoded = await new OfflineAudioContext(1, 1, rate).decodeAudioData(bytes);
        const body = decoded.getChannelData(0).slice(0, rate * seconds);
        const answer = await fetch('/recording', {method: 'POST', body});
        const text = await answer.text();
        if (answer.ok) { emitEvent('recorded', text); } else { fail(text); }
      } catch (error) { fail(error); }
    };
    recorder.start();
    emitEvent('recording');
    setTimeout(() => recorder.state === 'recording' && recorder.stop(), 1000 * seconds);
  } catch (error) { fail(error); }
};
</script>"""


def most_bytes(sample_rate: int) -> int:
    """Return the largest size of a recording."""
    return 4 * SECONDS * sample_rate


def waveform_of(content: bytes, sample_rate: int) -> Tensor:
    """Read samples from the browser: one channel of little-endian float32.

    Shape:
        Returns ``(1, time)``.

    Raises:
        ValueError: If it is empty, longer than `SECONDS`, or not of finite samples.
    """
    if not 0 < len(content) <= most_bytes(sample_rate) or len(content) % 4:
        raise ValueError(f"a recording must hold up to {SECONDS} s, got {len(content)} bytes")
    samples = np.frombuffer(content, dtype="<f4")
    if not math.isfinite(float(np.abs(samples).max())):
        raise ValueError("a recording must be finite")
    return torch.from_numpy(samples.astype(np.float32))[None]
