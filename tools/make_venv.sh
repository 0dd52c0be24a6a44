#!/bin/sh
# Make or update the virtual environment: tools/make_venv.sh VENV STAMP [PYTHON]
#
# STAMP is written last, so a set-up that was interrupted never counts as done; the next run starts it anew, because what
# an installer left half-written is not worth repairing. PYTHON is used only when the environment is made.
set -eu

venv=$1
stamp=$2
wanted=${3:-}
marker=$venv.unfinished

# A command may exist and still not run (the shims of version managers), so each candidate is tried, not only looked for.
new_enough() { "$1" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    if [ -n "$wanted" ]; then
        if new_enough "$wanted"; then command -v "$wanted"; return; fi
        echo "PYTHON=$wanted is not a Python that runs here and is 3.11 or newer." >&2
        return 1
    fi
    for candidate in python3 python python3.14 python3.13 python3.12 python3.11; do
        if new_enough "$candidate"; then command -v "$candidate"; return; fi
    done
    echo "No Python 3.11 or newer found. Install one, or name it, as in: make PYTHON=/path/to/python3.11 book" >&2
    return 1
}

uv_runs() { uv --version >/dev/null 2>&1; }

make_venv() {
    python=$(find_python)
    echo "Setting up $venv with $python. This downloads PyTorch: a few minutes the first time."
    if uv_runs; then
        uv venv --quiet --python "$python" "$venv"
    elif ! "$python" -m venv "$venv"; then
        echo "$python cannot make a virtual environment (on Debian and Ubuntu: apt-get install python3-venv)." >&2
        return 1
    fi
}

install() {
    if uv_runs; then
        uv pip install --quiet --compile-bytecode --python "$venv/bin/python" "$@"
    else
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
    fi
}

if [ -e "$marker" ] || ! new_enough "$venv/bin/python"; then rm -rf "$venv"; fi
touch "$marker"
if [ ! -d "$venv" ]; then make_venv; fi
install -r requirements.txt
install --no-deps --no-build-isolation -e .
rm -f "$venv"/.ready-*
touch "$stamp"
rm -f "$marker"
