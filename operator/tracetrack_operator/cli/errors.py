"""What ends a command."""


class CliError(Exception):
    """Told to the person as it is; the text says what to do."""
