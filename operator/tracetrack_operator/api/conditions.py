"""The condition types and the common reasons, so that status writers, tests and alerts spell them alike."""

from .model import Enumeration


class ConditionType(Enumeration):
    """Ready sums up the others of its object, but for these: what serves does so whether or not more can be added
    (ScalingReady), whether or not a change of its database or cache in AWS still waits (Synced), whether or not there
    is a read replica to spare its database work (ReplicasReady), whether or not it can send mail (MailReady) or be
    asked for the end-of-day report (EndOfDayReady), and whatever came of restoring a copy of it (DrillPassed)."""

    READY = "Ready"
    DATABASE_READY = "DatabaseReady"
    CACHE_READY = "CacheReady"
    APPLICATION_READY = "ApplicationReady"
    SCALING_READY = "ScalingReady"
    SYNCED = "Synced"
    REPLICAS_READY = "ReplicasReady"
    DRILL_PASSED = "DrillPassed"
    MAIL_READY = "MailReady"
    END_OF_DAY_READY = "EndOfDayReady"
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
    AWAITING_APPROVAL = "AwaitingApproval"
    REPLACE_REQUIRED = "ReplaceRequired"
    DRIFTED = "Drifted"
    MODIFYING = "Modifying"
    ADOPTION_REQUIRED = "AdoptionRequired"
    DELETION_PROTECTED = "DeletionProtected"
    BOUND_NOT_FOUND = "BoundNotFound"
    CREDENTIALS_NOT_ROTATED = "CredentialsNotRotated"
    TLS_NOT_ENFORCED = "TLSNotEnforced"
    REPLICA_LAGGING = "ReplicaLagging"
    REPLICA_PROMOTED = "ReplicaPromoted"
