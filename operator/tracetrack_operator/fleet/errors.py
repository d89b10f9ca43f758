"""Failures of a fleet's own."""

from ..engine.errors import ReconcileError, RetryableError, TerminalError


class OwnershipConflict(RetryableError):
    """Something of the name we need belongs to someone else."""

    def __init__(self, what: str, owner: str) -> None:
        super().__init__(
            "OwnershipConflict",
            f"{what} belongs to {owner}.",
            "Delete or rename it, or give the fleet another name or naming prefix; it is looked at again by itself.",
        )


class Unresolved(RetryableError):
    """A certificate was asked for, and whether it was issued could not be found out yet."""

    def __init__(self, cause: ReconcileError) -> None:
        super().__init__(cause.reason, cause.message, cause.remedy)


def hits_one_scanner(error: ReconcileError) -> bool:
    """Whether the failure concerns one scanner, so that the others may go on."""
    return isinstance(error, OwnershipConflict | TerminalError)


def certainly_refused(error: ReconcileError) -> bool:
    """Whether AWS has certainly not done what it was asked, so that asking again makes no second one."""
    if isinstance(error, Unresolved):
        return False
    return isinstance(error, TerminalError) or error.reason in {"AwsThrottled", "AwsAccessDenied", "AwsCredentials"}
