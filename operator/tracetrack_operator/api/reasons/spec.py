"""Reasons of what a person has declared and what doesn't go with it."""

from .entry import (
    BACKINGS,
    BROUGHT,
    DEPLOYMENT,
    DESCRIBE,
    DESCRIBE_FLEET,
    EXPLAIN,
    FLEET_PARTS,
    PARTS,
    READY,
    REPLICAS,
    Course,
    Entry,
    Group,
)

SPEC = Group(
    "The spec and what it refers to",
    (
        Entry(
            "InvalidSpec",
            Course.STAYS,
            "A field of the spec doesn't fit, in a way that the schema can't check. Nothing is changed meanwhile; what "
            "runs goes on running. It also happens when the CustomResourceDefinitions are newer or older than the "
            "operator.",
            "Correct the fields that the message names.",
            (
                EXPLAIN,
                'kubectl edit tracetrackdeployment "$NAME" -n "$NS"',
                'kubectl edit scannerfleet "$NAME" -n "$NS"',
            ),
            deployment=(READY,),
            fleet=(READY,),
        ),
        Entry(
            "Invalid",
            Course.STAYS,
            "The Kubernetes API refuses an object that the operator makes from the spec: a value is taken (a node "
            "port, say), out of range, or refused by an admission webhook.",
            "Correct the field of the spec that the value in the message comes from, or what the webhook asks for.",
            (DESCRIBE, EXPLAIN),
            deployment=(*PARTS, READY),
            fleet=FLEET_PARTS,
        ),
        Entry(
            "DeploymentNotFound",
            Course.STAYS,
            "The TraceTrackDeployment that the fleet belongs to does not exist in its namespace. No scanner is "
            "provisioned without one; those that are stay as they are.",
            "Create it, and provisioning starts by itself. `spec.deploymentRef` can't be changed: if the name is "
            "misspelt, delete the fleet and create it anew.",
            (
                'kubectl get tracetrackdeployments -n "$NS"',
                'kubectl get scannerfleet "$NAME" -n "$NS" -o jsonpath=\'{.spec.deploymentRef.name}{"\\n"}\'',
            ),
            fleet=(DEPLOYMENT,),
        ),
        Entry(
            "SecretNotFound",
            Course.STAYS,
            "A Secret that the spec names is not in the namespace: with the login of provider External, or with what "
            "the application needs for mail or the end-of-day report.",
            "Create it with the keys that the message lists. It is looked for every ten seconds. Give it any values "
            "that connect; the operator only reads it.",
            (
                'kubectl get secrets -n "$NS"',
                'kubectl create secret generic "$SECRET" -n "$NS" --from-literal=uri="$URI"',
            ),
            deployment=(*BACKINGS, *BROUGHT),
        ),
        Entry(
            "SecretInvalid",
            Course.STAYS,
            "A Secret that the spec names lacks a key, or holds a value of the wrong form. Pods that run keep what "
            "they had of it.",
            "Correct the key that the message names. These are the keys it has, without their values:",
            (
                'kubectl get secret "$SECRET" -n "$NS" '
                "-o go-template='{{range $key, $_ := .data}}{{$key}}{{\"\\n\"}}{{end}}'",
            ),
            deployment=(*BACKINGS, *BROUGHT),
        ),
        Entry(
            "OwnershipConflict",
            Course.RETRIED,
            "Something of the name that is needed exists, in Kubernetes or in AWS, and was not made for this object: "
            "somebody else's, or made for an object of the same name that was deleted since. It is left untouched.",
            "The message says what it is and whose. Delete or rename it if nobody needs it; else choose another name: "
            "a new TraceTrackDeployment with another `instanceIdentifier` or `replicationGroupIdentifier`, another "
            "name in `readReplicas`, a new ScannerFleet with another name or `spec.naming.prefix`. In AWS, the tag "
            "`tracetrack.io/uid` says whose a thing is: compare it with the UID of the object.",
            (
                DESCRIBE,
                DESCRIBE_FLEET,
                'kubectl get tracetrackdeployments,scannerfleets -n "$NS" '
                "-o custom-columns=KIND:.kind,NAME:.metadata.name,UID:.metadata.uid",
                "aws rds describe-db-instances --db-instance-identifier \"$DB\" --query 'DBInstances[0].TagList'",
            ),
            deployment=(*PARTS, REPLICAS, READY),
            fleet=FLEET_PARTS,
        ),
    ),
)
