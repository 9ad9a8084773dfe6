#!/usr/bin/env bash
# The suite with the oldest torch that augspec supports and with the newest, each in a fresh
# environment; and the README's training loop from the wheel and from the source archive, away from
# the clone.
#
#     tests/long/versions.sh [oldest|newest|wheel]...
#
# PYTEST_ADDOPTS='-m "not slow"' leaves the slow tests out. An environment takes 7 GB.
set -euo pipefail
cd "$(dirname "$0")/../.."
(($#)) || set -- oldest newest wheel
if (($# > 1)); then  # one that fails does not keep the others from being run
    status=0
    for one; do bash tests/long/versions.sh "$one" || status=1; done
    exit $status
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

environment() { python3 -m venv "$work/$1" && "$work/$1/bin/python" -m pip install -q "${@:2}"; }

suite() {
    "$work/$1/bin/python" -m pip list | grep -E "^(torch|torchaudio|torchvision|timm|soundfile|numpy) "
    "$work/$1/bin/python" -m pytest -q
}

oldest() {
    environment oldest "torch==2.11.*" "torchaudio==2.11.*" "timm==1.0.11" "soundfile==0.13.0" -e '.[dev]'
    suite oldest
}

newest() {
    environment newest --upgrade -e '.[dev]'
    suite newest
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
"$1"
