"""The condition types and the common reasons, so that status writers, tests and alerts spell them alike."""

from .model import Enumeration


class ConditionType(Enumeration):
    """Ready sums up the others of its object, but for ScalingReady: what serves does so whether or not more can."""

    READY = "Ready"
    DATABASE_READY = "DatabaseReady"
    CACHE_READY = "CacheReady"
    APPLICATION_READY = "ApplicationReady"
    SCALING_READY = "ScalingReady"
    DEPLOYMENT_READY = "DeploymentReady"
    SIGNING_KEY_READY = "SigningKeyReady"
    SCANNERS_READY = "ScannersReady"


class Reason(Enumeration):
    """Reasons that more than one condition uses; a provider adds its own CamelCase ones."""

    READY = "Ready"
    PROGRESSING = "Progressing"
    SUSPENDED = "Suspended"
    DELETING = "Deleting"
    INVALID_SPEC = "InvalidSpec"
    WAITING_FOR_DEPENDENCY = "WaitingForDependency"
    SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105
    SECRET_INVALID = "SecretInvalid"  # noqa: S105
    ENDPOINT_UNREACHABLE = "EndpointUnreachable"
    AUTHENTICATION_FAILED = "AuthenticationFailed"
    IMAGE_UNAVAILABLE = "ImageUnavailable"
    UNSCHEDULABLE = "Unschedulable"
    OWNERSHIP_CONFLICT = "OwnershipConflict"
