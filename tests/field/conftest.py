"""What the tests of people's files need: an empty folder, a small network, the command line."""

import shlex
import sys

import pytest

from aotgan import cli
from field.cases import network


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    return network(tmp_path_factory.mktemp("network"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def aotgan(monkeypatch, capsys):
    """Runs a command line; returns its exit status and what it printed."""

    def call(line):
        monkeypatch.setattr(sys, "argv", ["aotgan", *shlex.split(line)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        return stopped.value.code or 0, *capsys.readouterr()

    return call
