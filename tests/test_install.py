"""`make` prepares .venv by itself: it finds a Python that works, and fails clearly or not at all.

The interpreters here are stubs, so that nothing is downloaded; one that works copies itself into
.venv and notes each call of pip.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NAMES = ("python3.13", "python3.12", "python3.11", "python3", "python")
WORKING = """#!/bin/sh
case "$1 $2" in
"-V "*) echo "Python 3.12.0" ;;
"-m venv") mkdir -p "$4/bin" && cp "$0" "$4/bin/python" ;;
"-m pip")
    [ "$3" != -V ] || exit 0
    echo "$*" >>pip_calls
    [ ! -e offline ] || { echo no route; exit 1; } ;;
esac
"""
SHIM = "#!/bin/sh\necho 'pyenv: command not found' >&2\nexit 127\n"
OLD = '#!/bin/sh\n[ "$1" != -c ] || { echo "is Python 3.9.2" >&2; exit 1; }\n'

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.fixture
def checkout(tmp_path):
    """A checkout whose folder has a space in its name, and a folder of interpreters."""
    root = tmp_path / "my checkout"
    for name in ("Makefile", "pyproject.toml", "requirements.lock", "tools/install.sh"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    (tmp_path / "bin").mkdir()
    return root


def interpreters(checkout, **stubs):
    for name in NAMES:
        path = checkout.parent / "bin" / name
        path.write_text(stubs.get(name.replace(".", "_"), SHIM))
        path.chmod(0o755)


def make(checkout, *arguments):
    path = f"{checkout.parent / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin"
    command = [shutil.which("make"), ".venv/.installed", *arguments]
    return subprocess.run(command, cwd=checkout, env={"PATH": path}, capture_output=True, text=True)


def pip_calls(checkout):
    return (checkout / "pip_calls").read_text().splitlines()


def test_an_interpreter_that_fails_is_passed_over(checkout):
    interpreters(checkout, python3_12=OLD, python3=WORKING)
    result = make(checkout)
    assert result.returncode == 0, result.stderr
    assert "(python3)" in result.stdout
    lock, project = pip_calls(checkout)
    assert lock.endswith("-r requirements.lock")
    assert project.endswith("-e .")


def test_a_second_call_does_nothing(checkout):
    interpreters(checkout, python3_11=WORKING)
    assert make(checkout).returncode == 0
    assert "up to date" in make(checkout).stdout
    assert len(pip_calls(checkout)) == 2


@pytest.mark.parametrize("name", ["requirements.lock", "pyproject.toml"])
def test_a_changed_declaration_is_installed(checkout, name):
    interpreters(checkout, python3_11=WORKING)
    assert make(checkout).returncode == 0
    os.utime(checkout / ".venv/.installed", (0, 0))
    os.utime(checkout / name)
    assert make(checkout).returncode == 0
    assert len(pip_calls(checkout)) == 4


def test_a_moved_checkout_is_installed_afresh(checkout):
    interpreters(checkout, python3_11=WORKING)
    assert make(checkout).returncode == 0
    (checkout / ".venv/leftover").touch()
    moved = checkout.rename(checkout.parent / "elsewhere")
    assert make(moved).returncode == 0
    assert not (moved / ".venv/leftover").exists()
    assert (moved / ".venv/.installed").read_text().strip() == str(moved.resolve())


def test_a_failed_installation_is_not_taken_for_done(checkout):
    interpreters(checkout, python3_11=WORKING)
    (checkout / "offline").touch()
    result = make(checkout)
    assert result.returncode != 0
    assert "no route" in result.stderr
    assert "The installation failed" in result.stderr
    assert not (checkout / ".venv/.installed").exists()
    (checkout / "offline").unlink()
    assert make(checkout).returncode == 0


def test_without_a_usable_python_the_error_tells_what_was_tried(checkout):
    interpreters(checkout, python3=OLD)
    result = make(checkout)
    assert result.returncode != 0
    assert "python3.13: pyenv: command not found" in result.stderr
    assert "python3: is Python 3.9.2" in result.stderr
    assert "Needed: Python 3.11, 3.12 or 3.13" in result.stderr
    assert not (checkout / ".venv").exists()


def test_the_interpreter_can_be_named(checkout):
    interpreters(checkout)
    named = checkout.parent / "bin" / "my python"
    named.write_text(WORKING)
    named.chmod(0o755)
    assert "no-such-python: not found" in make(checkout, "PYTHON=no-such-python").stderr
    result = make(checkout, f"PYTHON={named}")
    assert result.returncode == 0, result.stderr
