"""Verbs of the command line; `aotgan.cli` puts them together."""
