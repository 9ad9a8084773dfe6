#!/usr/bin/env bash
# The tests of kernels, transforms, features, front ends, loaders and configs with each release of
# torch that is looked after, from the oldest that augspec supports to the newest, each in a fresh
# environment; and the README's training loop from the wheel and from the source archive, away from
# the clone.
#
#     tests/long/versions.sh [2.6|2.8|2.11|newest|wheel]...
#
# For each release it prints two rows of the table in docs/reliability.md: with eager kernels, and
# what is about compiled ones. PYTHON=python3.13 takes another Python, WHOLE=1 runs the whole quick
# suite with all that a contributor installs, and PYTEST_ADDOPTS reaches pytest. An environment
# takes 7 GB.
set -euo pipefail
cd "$(dirname "$0")/../.."
(($#)) || set -- 2.6 2.8 2.11 newest wheel
if (($# > 1)); then  # one that fails does not keep the others from being run
    status=0
    for one; do bash tests/long/versions.sh "$one" || status=1; done
    exit $status
fi
unset CI  # there a test that lacks a package may be skipped
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

PARTS=(
    tests/functional tests/transforms tests/features tests/test_native.py tests/test_frontend.py
    tests/test_fusion.py tests/test_loader.py tests/test_loader_input.py tests/test_loader_state.py
    tests/test_config.py tests/test_random.py tests/test_params.py
)
COMPILED=(
    tests/test_compile.py tests/functional/test_resample.py tests/functional/test_stretch.py
    tests/functional/test_timemap.py
)
# What those tests compare with.
PEERS=(
    audiomentations hypothesis kaldi-native-fbank librosa lightning matplotlib onnx onnxruntime
    onnxscript pandas pyloudnorm pyroomacoustics pytest pytest-xdist scikit-learn scipy timm
    torchdata torchlibrosa webdataset
)

environment() {
    "${PYTHON:-python3}" -m venv "$work/$1" && "$work/$1/bin/python" -m pip install -q "${@:2}"
}

# How many tests of the last line of a log passed, failed, were skipped.
count() { tail -n 1 "$1" | grep -oE "[0-9]+ $2" | cut -d " " -f 1 || echo 0; }

row() {  # the kernels' mode, then what pytest is given
    local torch python log=$work/log status=0
    torch=$("$work/env/bin/python" -c 'import torch; print(torch.__version__.split("+")[0])')
    python=$("$work/env/bin/python" -c 'import platform; print(platform.python_version())')
    "$work/env/bin/python" -m pytest -q -n 2 "${@:2}" | tee "$log" || status=1
    echo "| $torch | $python | $1 | $(count "$log" passed) | $(count "$log" failed) | $(count "$log" skipped) |"
    return $status
}

release() {  # what pip is given
    if [[ ${WHOLE:-} ]]; then
        environment env -e '.[dev]' "$@"
        row "whole quick suite" -m "not slow"
        return
    fi
    environment env -e . "${PEERS[@]}" "$@"
    local status=0
    AUGSPEC_COMPILE=0 row eager -m "not slow" "${PARTS[@]}" || status=1
    row compiled -m "not slow" "${COMPILED[@]}" || status=1
    return $status
}

wheel() {
    environment build build
    "$work/build/bin/python" -m build --outdir "$work/dist" . >/dev/null
    # Whoever unpacks the source archive can run the tests: what git knows of is in it.
    mkdir "$work/unpacked"
    tar -xzf "$work"/dist/*.tar.gz -C "$work/unpacked" --strip-components 1
    for name in $(git ls-files -- augspec recipes tests docs '*.md' LICENSE CITATION.cff); do
        cmp "$name" "$work/unpacked/$name"
    done
    # The README's training loop, and a look at where augspec came from.
    sed -n '/^```python$/,/^```$/p' README.md | grep -v '^```' >"$work/quickstart.py"
    cat >>"$work/quickstart.py" <<'PY'
assert batch["specgram"].shape[1:] == (1, 64, 188) and loss.isfinite()
assert "site-packages" in augspec.__file__, augspec.__file__
PY
    environment wheel "$(echo "$work"/dist/*.whl)[backbones]"
    quickstart "wheel"
    "$work/wheel/bin/python" -m pip install -q --force-reinstall --no-deps "$work"/dist/*.tar.gz
    quickstart "source archive"
}

quickstart() {
    (cd "$work" && env -u PYTHONPATH wheel/bin/python quickstart.py)
    echo "the quickstart runs from the $1"
}

echo "== $1 =="
case $1 in
    2.6 | 2.8) release "torch==$1.*" "torchaudio==$1.*" torchvision ;;
    2.11) release torch==2.11.0 torchaudio==2.11.0 torchvision ;;  # 2.11.1 is for a later torch
    newest) release --upgrade torch torchaudio torchvision ;;
    wheel) wheel ;;
    *) echo "no such release: $1" >&2 && exit 2 ;;
esac
