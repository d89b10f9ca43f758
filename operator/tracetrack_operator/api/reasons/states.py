"""Reasons of states that are as they should be."""

from .entry import (
    BROUGHT,
    DEPLOYMENT,
    DESCRIBE,
    DESCRIBE_FLEET,
    FLEET_PARTS,
    PARTS,
    READY,
    REPLICAS,
    SCALING,
    SCANNERS,
    SIGNING,
    SYNCED,
    Course,
    Entry,
    Group,
)

STATES = Group(
    "As it should be",
    (
        Entry(
            "Ready",
            Course.GOOD,
            "What the condition is about is there, works, and is as declared.",
            "Nothing.",
            deployment=(*PARTS, SCALING, SYNCED, REPLICAS, *BROUGHT, READY),
            fleet=(SIGNING, READY),
        ),
        Entry(
            "Provisioned",
            Course.GOOD,
            "Every scanner that the fleet asks for has its thing, certificate and key, and there is none too many.",
            "Nothing.",
            fleet=(SCANNERS,),
        ),
        Entry(
            "DeploymentFound",
            Course.GOOD,
            "The TraceTrackDeployment that `spec.deploymentRef` names exists.",
            "Nothing.",
            fleet=(DEPLOYMENT,),
        ),
        Entry(
            "Progressing",
            Course.PASSING,
            "It is being made, started, rolled out or provisioned, and the message says how far that is. A pod takes "
            "seconds, a cache 5 to 10 minutes, an RDS instance 10 to 20.",
            "Nothing. If it lasts much longer, look at the Events and at the pods.",
            (
                DESCRIBE,
                'kubectl get pods -n "$NS" -l tracetrack.io/deployment="$NAME"',
                'kubectl get events -n "$NS" --sort-by=.lastTimestamp',
            ),
            deployment=(*PARTS, SCALING, SYNCED, REPLICAS),
            fleet=FLEET_PARTS,
        ),
        Entry(
            "Modifying",
            Course.PASSING,
            "A change of the database or the cache has been asked for in AWS and is being made there, or AWS is at "
            "work on it for another reason and takes no change now. `DatabaseReady` and `CacheReady` say whether it "
            "serves meanwhile.",
            "Nothing. AWS takes minutes for most changes, hours to optimise a volume that has grown.",
            (DESCRIBE,),
            deployment=(SYNCED,),
        ),
        Entry(
            "NotYetKnown",
            Course.PASSING,
            "The operator has not looked at that part yet, as just after the object was made.",
            "Nothing. If it lasts, see whether the operator runs.",
            ("kubectl get pods -n tracetrack-system",),
            deployment=(READY,),
            fleet=(READY,),
        ),
        Entry(
            "WaitingForDependency",
            Course.PASSING,
            "The application can't start before it has a database and a cache to connect to. The message repeats what "
            "the one it waits for says.",
            "Look at the condition of the database or cache: what is to be done, if anything, is said there.",
            (DESCRIBE,),
            deployment=PARTS[2:],
        ),
        Entry(
            "Suspended",
            Course.PASSING,
            "`spec.suspend` is true: the operator changes nothing. The message of a deployment lists what waits.",
            "When you are done, set it to false. Deletion works all the same.",
            (
                'kubectl patch tracetrackdeployment "$NAME" -n "$NS" --type=merge -p \'{"spec":{"suspend":false}}\'',
                'kubectl patch scannerfleet "$NAME" -n "$NS" --type=merge -p \'{"spec":{"suspend":false}}\'',
            ),
            deployment=(READY,),
            fleet=(READY,),
        ),
        Entry(
            "Deleting",
            Course.PASSING,
            "The object is being deleted, and the operator removes what it made outside the cluster, as "
            "`spec.deletionPolicy` asks; or an object of a name that a fleet needs is on its way out.",
            "Nothing. A final snapshot can take many minutes, a large fleet as long as AWS' quotas make it. An object "
            "waits with its finalizer `tracetrack.io/cleanup` while no operator runs.",
            (DESCRIBE, DESCRIBE_FLEET, "kubectl get pods -n tracetrack-system"),
            deployment=(READY,),
            fleet=(*FLEET_PARTS, READY),
        ),
        Entry(
            "NamespaceTerminating",
            Course.PASSING,
            "The namespace is being deleted, so nothing new can be made in it.",
            "Nothing, if the namespace is to go. What still holds it up is in its status.",
            ("kubectl get namespace \"$NS\" -o jsonpath='{.status.conditions}'",),
            fleet=FLEET_PARTS,
        ),
        Entry(
            "EarlierFleet",
            Course.PASSING,
            "A Secret or ScannerSlice of a deleted ScannerFleet of the same name is still there. Kubernetes is about "
            "to collect it, and the new fleet waits for that.",
            "Nothing. If it stays for minutes, delete the object that the message names.",
            ('kubectl get secrets,scannerslices -n "$NS" -l tracetrack.io/fleet="$NAME"',),
            fleet=FLEET_PARTS,
        ),
    ),
)

EVENTS = Group(
    "Events only",
    (
        Entry(
            "CredentialsRotated",
            Course.GOOD,
            "The application was given other credentials for its database or cache, by `rotation` or by the annotation "
            "`tracetrack.io/rotate`. Its pods take them while they run. The former ones stay valid until those that "
            "use them have had their time.",
            "Nothing.",
            (DESCRIBE,),
            event=True,
        ),
        Entry(
            "SecretRestored",
            Course.GOOD,
            "Secret `<name>-admin` or `<name>-session` was deleted or emptied by hand. Nothing else has what it held, "
            "but the running operator had seen it and has put it back: the admin's password and all sessions stay.",
            "Nothing. To change the admin's password, change it in the Secret, or in the application.",
            ('kubectl get secret "$NAME-admin" -n "$NS" -o jsonpath=\'{.data.password}\' | base64 -d',),
            event=True,
        ),
        Entry(
            "SecretReplaced",
            Course.STAYS,
            "Secret `<name>-admin` or `<name>-session` was deleted or emptied while no operator ran, and what it held "
            "is gone. A new password for the admin is taken by the application while it runs. A new session key "
            "replaces its pods and ends all sessions; one-time codes set up under the former key open nothing, and the "
            "audit log's seals up to then can't be checked.",
            "Log in with the new password. Without the former session key, those with two-factor log-in use a recovery "
            "code and set it up again; with it, put it into the Secret as `previous` and delete the pods.",
            (
                'kubectl get secret "$NAME-admin" -n "$NS" -o jsonpath=\'{.data.password}\' | base64 -d',
                'kubectl delete pods -n "$NS" -l tracetrack.io/deployment="$NAME",app.kubernetes.io/component=app',
            ),
            event=True,
        ),
        Entry(
            "DriftCorrected",
            Course.GOOD,
            "Somebody changed a database or cache in AWS, and the operator has sent what is declared again: from which "
            "value to which stands in the message. `spec.driftPolicy` is `Correct`, or it was approved.",
            "Nothing, if the spec says what you want; else change the spec, not AWS. CloudTrail knows who it was. To "
            "be told instead of having it set back, set `spec.driftPolicy: Report`.",
            (
                DESCRIBE,
                'aws cloudtrail lookup-events --lookup-attributes AttributeKey=ResourceName,AttributeValue="$DB"',
            ),
            event=True,
        ),
        Entry(
            "FailedOver",
            Course.GOOD,
            "Another server took over from the one that served a database or cache: by itself after a fault, for a "
            "change that needs it, or since somebody asked for it. The endpoint stays the same; connections broke for "
            "some seconds. `status.database.lastFailover` and `status.cache.lastFailover` keep the last one.",
            "Nothing. If nobody asked for it, AWS' events say what happened.",
            (
                DESCRIBE,
                'aws elasticache describe-events --source-type replication-group --source-identifier "$CACHE" '
                "--duration 1440",
                'aws rds describe-events --source-type db-instance --source-identifier "$DB" --duration 1440',
            ),
            event=True,
        ),
        Entry(
            "UpgradeStarted",
            Course.GOOD,
            "The upgrade of the database to a later major version has begun: RDS makes a green instance of it beside "
            "the one that serves, which takes from half an hour to some hours and costs as much as the other.",
            "Nothing. Don't change `spec.version` meanwhile: changed tables are not followed. "
            "`status.database.upgrade` tells how far it is.",
            ('kubectl get tracetrackdeployment "$NAME" -n "$NS" -o jsonpath=\'{.status.database.upgrade}\'',),
            event=True,
        ),
        Entry(
            "SwitchedOver",
            Course.GOOD,
            "The database is on the new major version: another instance has taken the name and the endpoint over. The "
            "application connects anew by itself. The former instance, at the end of whose name is -old1, is kept for "
            "`majorUpgrade.keepOldHours`; what is written since is not in it.",
            "Look whether all is well, as long as the former instance is there. ANALYZE the larger tables if queries "
            "are slow.",
            ('aws rds describe-db-instances --db-instance-identifier "$DB-old1"',),
            event=True,
        ),
        Entry(
            "OldInstanceRemoved",
            Course.GOOD,
            "The instance of the former major version is deleted, `majorUpgrade.keepOldHours` after the switchover. "
            "The message names its last snapshot.",
            "Nothing. Delete the snapshot when you don't want that state back any more.",
            ("aws rds describe-db-snapshots --snapshot-type manual",),
            event=True,
        ),
        Entry(
            "CleanedUp",
            Course.GOOD,
            "A deleted deployment's database or cache in AWS has come to the end that `spec.deletionPolicy` asks for. "
            "The message says where the data is.",
            "Nothing. With a final snapshot: keep it as long as you may want the data back.",
            ("aws rds describe-db-snapshots --snapshot-type manual",),
            event=True,
        ),
        Entry(
            "Retained",
            Course.GOOD,
            "A fleet is deleted with `spec.deletionPolicy` Retain: things, certificates, policy and signing secret "
            "stay in AWS. The private keys go with the Secrets in the cluster.",
            "Nothing. To be rid of them, delete the thing group, things, certificates and the policy that the message "
            "names.",
            ('aws iot list-things-in-thing-group --thing-group-name "$GROUP"',),
            event=True,
        ),
    ),
)
