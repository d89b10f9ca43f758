"""Reasons of a fleet's own."""

from .entry import DESCRIBE_FLEET, FLEET_PARTS, SCANNERS, Course, Entry, Group

_THING_TYPE = 'TYPE=$(kubectl get scannerfleet "$NAME" -n "$NS" -o jsonpath=\'{.spec.thingType}\')'
_SIGNING = 'SIGNING=$(kubectl get scannerfleet "$NAME" -n "$NS" -o jsonpath=\'{.status.signingSecretArn}\')'

FLEETS = Group(
    "Fleets",
    (
        Entry(
            "SigningSecretInvalid",
            Course.RETRIED,
            "The fleet's secret in Secrets Manager does not hold signing keys in the form that the operator wrote. "
            "Somebody has changed it. Device keys are made from it, so no new scanner can be provisioned; those "
            "provisioned go on, from the mirror in the cluster.",
            "Restore the earlier version: move the stage AWSCURRENT back to it. Where none is left, delete the secret "
            "for good: it is made again from the mirror in the cluster, or, without one, with a new key, and then "
            "every scanner gets a new device key.",
            (
                _SIGNING,
                'aws secretsmanager list-secret-version-ids --secret-id "$SIGNING"',
                'aws secretsmanager update-secret-version-stage --secret-id "$SIGNING" --version-stage AWSCURRENT '
                '--move-to-version-id "$EARLIER" --remove-from-version-id "$PRESENT"',
            ),
            fleet=FLEET_PARTS,
        ),
        Entry(
            "ThingTypeDeprecated",
            Course.RETRIED,
            "The AWS IoT thing type that the fleet uses is deprecated: AWS makes no new thing of it.",
            "Undo the deprecation, or name another type in `spec.thingType`.",
            (
                DESCRIBE_FLEET,
                _THING_TYPE,
                'aws iot deprecate-thing-type --thing-type-name "$TYPE" --undo-deprecate',
            ),
            fleet=(SCANNERS,),
        ),
    ),
)
