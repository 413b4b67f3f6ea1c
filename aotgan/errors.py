"""The one error that bad input raises: what was given, what was expected, what to do."""


class InputError(ValueError):
    """Input that cannot be used. The message names the value, the expectation and the way out."""
