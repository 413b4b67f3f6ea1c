"""The one error that bad input raises: what was given, what was expected, what to do."""

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(ValueError):
    """Input that cannot be used. The message names the value, the expectation and the way out."""


def check_choice(option: str, given: str, choices: Iterable[str]) -> None:
    """Raises InputError unless `given` is one of the choices."""
    choices = tuple(choices)
    if given not in choices:
        listed = ", ".join(choices)
        raise InputError(
            f"{option}={given!r}: choose one of {listed}.{did_you_mean(given, choices)}"
        )


def did_you_mean(given: object, choices: Iterable[str]) -> str:
    """Returns a sentence, after a space, that names the choice most like what was given, or ""."""
    close = get_close_matches(str(given), [*choices], n=1)
    return f" Did you mean {close[0]!r}?" if close else ""
