"""What the tests of every command need."""

import sys

import pytest

from aotgan import cli


@pytest.fixture
def aotgan(monkeypatch, capsys):
    """Runs the command line; returns its exit status and what it printed."""

    def call(text):
        monkeypatch.setattr(sys, "argv", ["aotgan", *text.split()])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        return stopped.value.code, *capsys.readouterr()

    return call
