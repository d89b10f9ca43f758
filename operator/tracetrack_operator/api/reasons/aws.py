"""Reasons of calls to AWS that went wrong. Every message begins with the service and the call."""

from .entry import (
    BACKINGS,
    DESCRIBE,
    DESCRIBE_FLEET,
    EXPLAIN,
    FLEET_PARTS,
    OPERATOR_LOG,
    POLICY,
    READY,
    REPLICAS,
    SYNCED,
    Course,
    Entry,
    Group,
)

_PLACES = (*BACKINGS, SYNCED, REPLICAS, READY)

AWS = Group(
    "AWS",
    (
        Entry(
            "AwsAccessDenied",
            Course.RETRIED,
            "The operator's role may not make the call that the message names.",
            "Give the role the policy that the operator prints (for one region, account and cluster with these three "
            "as arguments). If it has that, look for a permissions boundary, a service control policy, or a key "
            "policy of KMS.",
            (POLICY, "aws sts get-caller-identity"),
            deployment=_PLACES,
            fleet=FLEET_PARTS,
        ),
        Entry(
            "AwsCredentials",
            Course.RETRIED,
            "The operator has no AWS credentials, or AWS doesn't take them: expired, deleted, or of another "
            "partition; or the clock of the node is off.",
            "Make an EKS Pod Identity association for its ServiceAccount, annotate that with a role, or correct the "
            "Secret that the chart's `aws.credentialsSecret` names. After a change of these, restart the operator.",
            (
                "kubectl get serviceaccount -n tracetrack-system -o yaml",
                'kubectl rollout restart -n tracetrack-system "$OPERATOR"',
            ),
            deployment=_PLACES,
            fleet=FLEET_PARTS,
        ),
        Entry(
            "AwsUnreachable",
            Course.RETRIED,
            "No answer came from AWS: no route, a name that doesn't resolve, a proxy, a certificate that isn't "
            "trusted, or too slow.",
            "Check the way from the operator's pod to AWS: NAT gateway or VPC endpoints, DNS, the chart's "
            "`networkPolicy.egressPorts`, `aws.endpointUrl`, and HTTPS_PROXY if you set it.",
            (
                "kubectl describe networkpolicy -n tracetrack-system",
                "kubectl get \"$OPERATOR\" -n tracetrack-system -o jsonpath='{.spec.template.spec.containers[0].env}'",
                OPERATOR_LOG,
            ),
            deployment=_PLACES,
            fleet=FLEET_PARTS,
        ),
        Entry(
            "AwsThrottled",
            Course.RETRIED,
            "The account's quota for that call is used up. The operator keeps to 80 % of the usual quotas by itself, "
            "so others call as well, the account's quota is smaller, or it is a limit of how many there may be.",
            "Nothing, if it passes. If it goes on, find who else makes these calls, or ask for a higher quota.",
            (
                "aws service-quotas list-service-quotas --service-code rds",
                "aws cloudwatch list-metrics --namespace AWS/Usage --dimensions Name=Type,Value=API",
            ),
            deployment=_PLACES,
            fleet=FLEET_PARTS,
        ),
        Entry(
            "AwsInvalidRequest",
            Course.STAYS,
            "AWS refuses a parameter: a version, class or size that it doesn't offer, a name that doesn't exist, or "
            "fields that don't go together.",
            "Correct the field of the spec that the value in the message comes from, or the operator's setting where "
            "the spec names none (subnet groups, security groups). Of a database or cache, other changes are made "
            "meanwhile, and this one is tried again every five minutes: a second growth of the storage within six "
            "hours is taken in the end.",
            (
                DESCRIBE,
                EXPLAIN,
                "aws rds describe-orderable-db-instance-options --engine postgres "
                "--query 'OrderableDBInstanceOptions[].[DBInstanceClass,EngineVersion]' --output text",
            ),
            deployment=_PLACES,
            fleet=FLEET_PARTS,
        ),
        Entry(
            "AwsNotFound",
            Course.RETRIED,
            "Something that the call names does not exist: a subnet group, a security group, a key; or a thing that "
            "was deleted by hand while the operator worked on it.",
            "Correct the name in the spec or the operator's settings, or create it. What the operator makes itself it "
            "makes again.",
            (
                DESCRIBE,
                DESCRIBE_FLEET,
                "aws rds describe-db-subnet-groups --query 'DBSubnetGroups[].DBSubnetGroupName'",
            ),
            deployment=_PLACES,
            fleet=FLEET_PARTS,
        ),
        Entry(
            "AwsAlreadyExists",
            Course.RETRIED,
            "Something of that name has just been made, by an earlier call whose answer was lost or by somebody else. "
            "The next look tells which.",
            "Nothing, if it passes; it becomes OwnershipConflict when it is somebody else's.",
            (DESCRIBE, DESCRIBE_FLEET),
            deployment=_PLACES,
            fleet=FLEET_PARTS,
        ),
        Entry(
            "AwsConflict",
            Course.RETRIED,
            "The thing is in a state that doesn't allow the call now: it is being changed, backed up or deleted.",
            "Nothing, if it passes. Else look at its state in AWS.",
            (
                'aws rds describe-db-instances --db-instance-identifier "$DB" '
                "--query 'DBInstances[0].[DBInstanceStatus,PendingModifiedValues]'",
                'aws elasticache describe-replication-groups --replication-group-id "$CACHE" '
                "--query 'ReplicationGroups[0].[Status,PendingModifiedValues]'",
            ),
            deployment=_PLACES,
            fleet=FLEET_PARTS,
        ),
        Entry(
            "AwsError",
            Course.RETRIED,
            "AWS answered with an error that has no entry of its own here; the message has AWS' code and text.",
            "If it goes on, look the code up in the service's API reference, and at the AWS Health Dashboard.",
            (OPERATOR_LOG,),
            deployment=_PLACES,
            fleet=FLEET_PARTS,
        ),
    ),
)
