"""AWS failures, sorted by who has to move next."""

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)

from ..engine.errors import ReconcileError, RetryableError, TerminalError


class AwsError(RetryableError):
    """AWS answered with an error that may pass; `code` is AWS's own."""

    def __init__(self, code: str, reason: str, message: str, remedy: str = "") -> None:
        super().__init__(reason, message, remedy)
        self.code = code


class AwsNotFound(AwsError):
    """The thing named in the call does not exist."""


class AwsAlreadyExists(AwsError):
    """A thing of that name exists; look whose it is before adopting it."""


class AwsThrottled(AwsError):
    """The account's rate for the operation is used up."""


class AwsConflict(AwsError):
    """The thing is in a state that does not allow the call now."""


class AwsInvalid(TerminalError):
    """AWS refuses the parameters; only another spec helps."""

    def __init__(self, code: str, message: str, remedy: str = "") -> None:
        super().__init__("AwsInvalidRequest", message, remedy)
        self.code = code


THROTTLES = {
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestLimitExceeded",
    "TooManyRequestsException",
    "LimitExceededException",
    "RequestThrottled",
}
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorized", "UnauthorizedException"}
_CREDENTIALS = {
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "MissingAuthenticationToken",
    "ExpiredToken",
    "ExpiredTokenException",
}
_INVALID = {
    "InvalidParameterValue",
    "InvalidParameterCombination",
    "InvalidParameterException",
    "InvalidRequestException",
    "MalformedPolicyException",
    "ValidationError",
    "ValidationException",
    "MissingParameter",
}


def sort_client_error(error: ClientError, service: str, operation: str) -> ReconcileError:
    """The engine's kind of error for what AWS answered to `service.operation`."""
    detail = error.response.get("Error", {})
    code = detail.get("Code", "Unknown")
    text = f"AWS {service} {operation}: {code}: {detail.get('Message', '')}".rstrip(": ")
    if service == "secretsmanager" and code == "InvalidRequestException":
        return AwsConflict(code, "AwsConflict", text)
    if code in THROTTLES:
        return AwsThrottled(code, "AwsThrottled", text, "It is retried; raise the account's quota if it goes on.")
    if code in _DENIED:
        return AwsError(code, "AwsAccessDenied", text, "Allow the action in the IAM policy of the operator's role.")
    if code in _CREDENTIALS:
        return AwsError(code, "AwsCredentials", text, "Check the operator's pod identity or credentials Secret.")
    if "NotFound" in code or code.endswith("NotFoundFault"):
        return AwsNotFound(code, "AwsNotFound", text)
    if "AlreadyExist" in code or code == "ResourceExistsException":
        return AwsAlreadyExists(code, "AwsAlreadyExists", text)
    if (code.startswith("Invalid") and "State" in code) or code.endswith("ConflictException"):
        return AwsConflict(code, "AwsConflict", text)
    if code in _INVALID or (code.startswith("Invalid") and not code.endswith("Exception")):
        return AwsInvalid(code, text, "Correct the field of the spec that this value comes from.")
    return AwsError(code, "AwsError", text)


def sort_core_error(error: BotoCoreError, service: str, operation: str) -> ReconcileError:
    """The engine's kind of error for a call to `service.operation` that got no answer."""
    text = f"AWS {service} {operation}: {error}"
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return RetryableError("AwsCredentials", text, "Give the operator a pod identity or a credentials Secret.")
    if isinstance(error, ParamValidationError):
        return AwsInvalid("ParamValidation", text, "Correct the field of the spec that this value comes from.")
    return RetryableError("AwsUnreachable", text, "Check the network path to AWS and AWS_ENDPOINT_URL.")
