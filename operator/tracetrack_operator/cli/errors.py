"""What ends a command."""


class CliError(Exception):
    """Told to the person as it is; the text says what to do."""


class ConflictError(CliError):
    """The object has been written since it was read."""
