#!/bin/sh
# Makes .venv with the packages of requirements.lock and this project in editable mode.
# Usage: sh tools/install.sh [PYTHON]    PYTHON: a Python 3.11, 3.12 or 3.13; looked for if not given.
set -eu
cd "$(dirname "$0")/.."
venv=.venv
stamp=$venv/.installed # holds the folder it was made in: a virtual environment cannot be moved
log=$venv/install.log
ok=$venv/.ok

# A version manager's python3.13 may be there and fail, a distribution's may lack venv: run it.
probe='import sys
sys.version_info[:2] in ((3, 11), (3, 12), (3, 13)) or sys.exit("is Python " + sys.version.split()[0])
import bz2, ctypes, ensurepip, lzma, sqlite3, ssl, venv, zlib'

find_python() {
    [ -n "$1" ] || set -- python3.13 python3.12 python3.11 python3 python
    tried=
    for python in "$@"; do
        if ! command -v "$python" >/dev/null 2>&1; then
            tried="$tried
  $python: not found"
        elif reason=$("$python" -c "$probe" 2>&1); then
            return 0
        else
            tried="$tried
  $python: $(printf '%s\n' "$reason" | tail -n 1)"
        fi
    done
    cat >&2 <<TEXT
No usable Python among:$tried
Needed: Python 3.11, 3.12 or 3.13 with its venv module (Debian, Ubuntu: apt install python3-venv;
macOS: brew install python@3.13; anywhere: https://www.python.org/downloads/).
Then run the command again, or name the interpreter: make PYTHON=/path/to/python3.12 ...
TEXT
    exit 1
}

# Runs pip with its output in the log, one line for every fortieth file it fetches.
pip_install() {
    rm -f "$ok"
    { "$venv/bin/python" -m pip install --no-input --progress-bar off "$@" 2>&1 && : >"$ok"; } |
        awk -v log_file="$log" '
            { print >>log_file }
            /^ *(Downloading|Using cached) / && !/metadata/ && ++n % 40 == 0 { say("  " n " files fetched") }
            /^Installing collected packages/ { say("  unpacking") }
            function say(text) { print text; fflush() }'
    [ -e "$ok" ] && return 0
    tail -n 20 "$log" >&2
    echo "The installation failed; the whole log is $log. Run the same command to go on." >&2
    exit 1
}

if [ -e "$stamp" ] && [ "$(cat "$stamp")" != "$(pwd -P)" ]; then
    rm -rf "$venv"
fi
if ! "$venv/bin/python" -c "$probe" >/dev/null 2>&1 || ! "$venv/bin/python" -m pip -V >/dev/null 2>&1; then
    find_python "${1:-}"
    echo "Making $venv with $("$python" -V) ($python)"
    "$python" -m venv --clear "$venv"
fi
rm -f "$stamp"
: >"$log"
echo "Installing $(grep -c == requirements.lock) packages into $venv: the first time takes some minutes" \
    "(several GB on Linux, where PyTorch brings CUDA); log: $log"
# The lock is complete, so nothing is left to resolve; Python compiles what it imports by itself.
pip_install --no-deps --no-compile -r requirements.lock
pip_install --no-deps --no-build-isolation -e .
rm -f "$ok"
pwd -P >"$stamp"
