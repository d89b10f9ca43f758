"""Why a reconcile could not finish, sorted by who has to move next."""


class ReconcileError(Exception):
    """A failure with what a person needs to know.

    `reason` is a CamelCase word for conditions and Events, `message` says what is wrong and with which object,
    `remedy` what to do about it.
    """

    def __init__(self, reason: str, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        if not self.remedy:
            return self.message
        return f"{self.message.rstrip('.')}. {self.remedy}"


class TerminalError(ReconcileError):
    """Only a changed spec helps; the object is looked at again when it changes or at the next resync."""


class WaitingError(ReconcileError):
    """A dependency is not there yet; the object is looked at again after `retry_after` seconds."""

    def __init__(self, reason: str, message: str, remedy: str = "", retry_after: float = 5.0) -> None:
        super().__init__(reason, message, remedy)
        self.retry_after = retry_after


class RetryableError(ReconcileError):
    """Something outside failed and may well succeed later; retried with exponential backoff."""
