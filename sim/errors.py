"""The one error that a command turns into one line and exit code 2."""


class InputError(ValueError):
    """Input that a user can mend.

    The message is a single line that says what is wrong, where, and what to do.
    """
