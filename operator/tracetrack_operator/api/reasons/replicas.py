"""Reasons about read replicas, which no other condition has."""

from .entry import DESCRIBE, REPLICAS, Course, Entry, Group

_LAG = (
    "aws cloudwatch get-metric-statistics --namespace AWS/RDS --metric-name ReplicaLag --statistics Maximum "
    '--period 60 --dimensions "Name=DBInstanceIdentifier,Value=$DB" --start-time "$(date -u -d -1hour +%FT%TZ)" '
    '--end-time "$(date -u +%FT%TZ)"'
)

READ_REPLICAS = Group(
    "Read replicas",
    (
        Entry(
            "ReplicaLagging",
            Course.RETRIED,
            "A read replica is more than a minute behind the primary. Lists and reports are read from another replica "
            "or from the primary until it has come up. `Ready` does not depend on it.",
            "Look what keeps it: a query of hours on the replica, a burst of writing on the primary, or a class that "
            "is smaller than the primary's. `status.database.readReplicas` tells the lag in steps, the metric "
            "`tracetrack_operator_database_replica_lag_seconds` exactly.",
            (DESCRIBE, _LAG),
            deployment=(REPLICAS,),
        ),
        Entry(
            "ReplicaPromoted",
            Course.STAYS,
            "What was a read replica takes writes of its own: somebody promoted it, or its primary was deleted. It may "
            "hold what is nowhere else, so the operator neither reads from it nor deletes it, also when the object is "
            "deleted.",
            "Save from it what you need. Then delete or rename it in AWS, and the replica is made anew; or remove it "
            "from `readReplicas`, and keep it as what it is.",
            (
                'aws rds describe-db-instances --db-instance-identifier "$DB" '
                "--query 'DBInstances[0].[DBInstanceStatus,ReadReplicaSourceDBInstanceIdentifier]'",
                'aws rds create-db-snapshot --db-instance-identifier "$DB" --db-snapshot-identifier "$DB-promoted"',
            ),
            deployment=(REPLICAS,),
        ),
    ),
)
