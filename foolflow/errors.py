"""The one error that a user can cause and mend."""


class InvalidInput(ValueError):
    """What was given cannot be used. The message is one line: what is wrong, where, and what to do."""
