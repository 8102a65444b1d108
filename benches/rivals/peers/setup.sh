#!/usr/bin/env bash
# Installs and builds the rivals under $BENCH_WORK (default: a folder in the temporary directory); nothing lands in the repository.
# What fails to install is skipped by the bench with a sentence. `./setup.sh hand` builds the hand-written one only.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export BENCH_WORK=${BENCH_WORK:-${TMPDIR:-/tmp}/policy-bench}
mkdir -p "$BENCH_WORK"
cd "$BENCH_WORK"
[ -x venv/bin/python ] || python3 -m venv venv
venv/bin/python -m pip install -q -r "$here/requirements.txt"
only=()
if [ "${1:-}" = hand ]; then
  only=(--bin hand_peer)
elif [ ! -e opalib/opa_bindings/libopabridge.so ]; then
  # The wheel declares a newer Python than its C library needs; only the library is used.
  venv/bin/python -m pip download -q --no-deps --python-version 3.14 --only-binary=:all: -d wheels opa-golib-python-bindings==0.4.4 &&
    mkdir -p opalib && venv/bin/python -m zipfile -e wheels/opa_golib_python_bindings-0.4.4-*.whl opalib || echo "no OPA library: OPA is left out"
fi
CARGO_TARGET_DIR=$BENCH_WORK/target cargo build --release -j "${BENCH_JOBS:-2}" --manifest-path "$here/rust/Cargo.toml" "${only[@]}"
echo "ready under $BENCH_WORK"
