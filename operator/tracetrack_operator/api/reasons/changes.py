"""Reasons of a database or cache in AWS, or a volume, that can't be made, changed or removed as asked."""

from .entry import BACKINGS, DATABASE, DESCRIBE, READY, REPLICAS, SYNCED, Course, Entry, Group

_INSTANCE = 'aws rds describe-db-instances --db-instance-identifier "$DB"'
_INSTANCE_EVENTS = (
    'aws rds describe-events --source-type db-instance --source-identifier "$DB" --duration 1440',
    'aws elasticache describe-events --source-type replication-group --source-identifier "$CACHE" --duration 1440',
)
_POLICY = 'kubectl patch tracetrackdeployment "$NAME" -n "$NS" --type=merge'

CHANGES = Group(
    "Creating, changing and deleting databases and caches",
    (
        Entry(
            "Failed",
            Course.STAYS,
            "AWS has given up on the instance or replication group: storage full, parameters that don't go together, "
            "a key that can't be used, a restore that failed. The message has AWS' own word for it.",
            "AWS' events say why. Mend the cause there, which for `storage-full` is more storage. An instance that "
            "never came up and holds nothing can be deleted: the operator makes it anew. **Deleting one that has "
            "served loses its data** unless there is a snapshot.",
            (*_INSTANCE_EVENTS, _INSTANCE, 'aws rds describe-db-snapshots --db-instance-identifier "$DB"'),
            deployment=(*BACKINGS, REPLICAS),
        ),
        Entry(
            "AwaitingApproval",
            Course.HELD,
            "A change restarts the database or cache, or fails it over, so it isn't made at once: it waits for the "
            "maintenance window or for your approval. What was never seen as declared, such as an adopted instance or "
            "a password that no longer fits, waits for your approval alone. The message lists the changes and says "
            "when the window opens. What each field's change does is in [CHANGES.md](CHANGES.md).",
            "Wait for the window; or approve it, with the value that the message gives, which stands for just these "
            "changes; or set the field back.",
            (
                DESCRIBE,
                'kubectl annotate --overwrite tracetrackdeployment "$NAME" -n "$NS" tracetrack.io/approve="$VALUE"',
            ),
            deployment=(SYNCED,),
        ),
        Entry(
            "ReplaceRequired",
            Course.STAYS,
            "A changed field could only be had with another instance, as with encryption or a network. The operator "
            "never replaces an instance in place, since its data would be left behind: the change is refused, and "
            "the instance serves as it is.",
            "Set the field back. To really have the change, create a new TraceTrackDeployment with it (from a "
            "snapshot of this one, where the field allows it), move the data, and delete this one when the new one "
            "serves.",
            (
                DESCRIBE,
                'kubectl edit tracetrackdeployment "$NAME" -n "$NS"',
                'aws rds create-db-snapshot --db-instance-identifier "$DB" --db-snapshot-identifier "$DB-to-move"',
            ),
            deployment=(SYNCED,),
        ),
        Entry(
            "ParametersPending",
            Course.STAYS,
            "The cache's parameter group has static parameters that come into force when its nodes restart. The "
            "operator doesn't restart them: the cache serves with the former values.",
            "Restart the nodes one after the other, replicas first, when connections may break for seconds: what is in "
            "memory of a node without replicas is lost. Or set the parameter back.",
            (
                "aws elasticache describe-cache-clusters --query "
                "'CacheClusters[].[CacheClusterId,CacheParameterGroup.ParameterApplyStatus]'",
                'aws elasticache reboot-cache-cluster --cache-cluster-id "$VALUE" --cache-node-ids-to-reboot 0001',
            ),
            deployment=(SYNCED,),
        ),
        Entry(
            "Drifted",
            Course.STAYS,
            "Somebody changed the database or the cache by hand in AWS. `spec.driftPolicy` is Report, so the operator "
            "says what differs and leaves it.",
            "To keep the change, declare it in the spec. To set it back, approve that with the value that the message "
            "gives; or set `spec.driftPolicy` to Correct, and what is changed later is set back too. CloudTrail knows "
            "who it was.",
            (
                DESCRIBE,
                'kubectl annotate --overwrite tracetrackdeployment "$NAME" -n "$NS" tracetrack.io/approve="$VALUE"',
                'aws cloudtrail lookup-events --lookup-attributes AttributeKey=ResourceName,AttributeValue="$DB"',
            ),
            deployment=(SYNCED,),
        ),
        Entry(
            "AdoptionRequired",
            Course.STAYS,
            "An instance of the identifier that is needed exists. It has no tag of ours, or is left from an earlier "
            "TraceTrackDeployment of the same name. The operator doesn't touch it before you say so. The message lists "
            "in what it differs from the spec.",
            "Make sure that it is the one you mean and that nobody else manages it, and bring the spec in line with it "
            "where you don't want a change. Then have the operator tag and manage it by the annotation that the "
            "message gives: no difference is put right before you approve that, too. To use it and never change it, "
            "set `management: Bound`; else name another instance.",
            (
                _INSTANCE,
                'kubectl annotate --overwrite tracetrackdeployment "$NAME" -n "$NS" tracetrack.io/adopt="$VALUE"',
            ),
            deployment=(*BACKINGS, REPLICAS),
        ),
        Entry(
            "BoundNotFound",
            Course.RETRIED,
            "The instance or replication group that the deployment shall use as it is, without managing it, does not "
            "exist in that account and region.",
            "Correct the identifier, create what it names, or set `management: Managed` to have it made.",
            (
                "aws rds describe-db-instances --query 'DBInstances[].DBInstanceIdentifier'",
                "aws elasticache describe-replication-groups --query 'ReplicationGroups[].ReplicationGroupId'",
            ),
            deployment=BACKINGS,
        ),
        Entry(
            "RestoreSourceNotFound",
            Course.RETRIED,
            "`spec.database.restoreFrom` names a snapshot or an instance that does not exist in that account and "
            "region, or a time that the instance's backups don't reach. Nothing has been created.",
            "Correct it; or copy the snapshot here, if it is in another region or account.",
            (
                "aws rds describe-db-snapshots --query 'DBSnapshots[].[DBSnapshotIdentifier,Status]'",
                "aws rds describe-db-instance-automated-backups "
                "--query 'DBInstanceAutomatedBackups[].[DBInstanceIdentifier,RestoreWindow]'",
            ),
            deployment=(DATABASE,),
        ),
        Entry(
            "DeletionProtected",
            Course.STAYS,
            "The object is being deleted, and the database is protected against that: by the spec's "
            "deletionProtection, or by somebody in AWS, which `spec.driftPolicy` Report leaves. It is left as it is, "
            "and the object waits. Of `ReplicasReady`: a read replica is to go, and somebody has protected it in AWS.",
            "If the database is really to go, set deletionProtection to false, or end the protection in AWS: the "
            "message says which. `spec.deletionPolicy` still decides whether a final snapshot is made first; Retain "
            "keeps the database and lets the object go. A deleted namespace waits for neither: then the instance is "
            "kept.",
            (
                'kubectl patch tracetrackdeployment "$NAME" -n "$NS" --type=merge '
                '-p \'{"spec":{"database":{"rds":{"deletionProtection":false}}}}\'',
                "aws rds describe-db-instances --query 'DBInstances[].[DBInstanceIdentifier,DeletionProtection]'",
                'aws rds modify-db-instance --db-instance-identifier "$DB" --no-deletion-protection',
            ),
            deployment=(REPLICAS, READY),
        ),
        Entry(
            "SnapshotExists",
            Course.STAYS,
            "The object is being deleted, and the final snapshot can't be made: there is one of that name already, "
            "which may hold older data. The instance or replication group is left as it is; in a deleted namespace it "
            "is kept, and the object goes.",
            "Look at the snapshot. If you want to keep it, copy it under another name; then delete it, and the "
            "deletion goes on within a minute.",
            (
                'aws rds describe-db-snapshots --db-snapshot-identifier "$SNAPSHOT"',
                'aws rds copy-db-snapshot --source-db-snapshot-identifier "$SNAPSHOT" '
                '--target-db-snapshot-identifier "$SNAPSHOT-kept"',
                'aws rds delete-db-snapshot --db-snapshot-identifier "$SNAPSHOT"',
                'aws elasticache copy-snapshot --source-snapshot-name "$SNAPSHOT" '
                '--target-snapshot-name "$SNAPSHOT-kept"',
                'aws elasticache delete-snapshot --snapshot-name "$SNAPSHOT"',
            ),
            deployment=(READY, SYNCED),
        ),
        Entry(
            "FinalSnapshotRefused",
            Course.STAYS,
            "The object is being deleted, and AWS makes no final snapshot of its database or cache, which is failed, "
            "stopped, full or can't use its key; the message has AWS' words. It is left as it is. A deleted namespace "
            "doesn't wait: then it is kept, with its password in Secrets Manager.",
            "Mend it in AWS, and the deletion goes on within a minute. Or have it go without a copy, by "
            "`spec.deletionPolicy` Delete, once you have made sure that nothing in it is needed: automated backups go "
            "with it. Or keep it, by Retain.",
            (
                *_INSTANCE_EVENTS,
                'aws rds describe-db-snapshots --db-instance-identifier "$DB"',
                f'{_POLICY} -p \'{{"spec":{{"deletionPolicy":"Retain"}}}}\'',
                f'{_POLICY} -p \'{{"spec":{{"deletionPolicy":"Delete"}}}}\'',
            ),
            deployment=(READY,),
        ),
        Entry(
            "DeletionRefused",
            Course.STAYS,
            "The object is being deleted, and AWS doesn't delete its database or cache in the state that it is in; the "
            "message has AWS' words. A deleted namespace doesn't wait: then it is kept, with its password in Secrets "
            "Manager.",
            "Mend it in AWS, or have AWS' support delete it: the deletion goes on within a minute. Or leave it to "
            "yourself, by `spec.deletionPolicy` Retain.",
            (*_INSTANCE_EVENTS, f'{_POLICY} -p \'{{"spec":{{"deletionPolicy":"Retain"}}}}\''),
            deployment=(READY,),
        ),
        Entry(
            "FinalSnapshotFailed",
            Course.STAYS,
            "The object is being deleted, its database or cache is gone, and the final snapshot that was to hold the "
            "data has failed.",
            "Ask AWS' support: nothing else has that data, but for earlier snapshots. Then delete the failed snapshot, "
            "and the object goes within a minute; a deleted namespace doesn't wait for that.",
            (
                'aws rds describe-db-snapshots --db-instance-identifier "$DB"',
                'aws rds delete-db-snapshot --db-snapshot-identifier "$SNAPSHOT"',
                'aws elasticache describe-snapshots --replication-group-id "$CACHE"',
                'aws elasticache delete-snapshot --snapshot-name "$SNAPSHOT"',
            ),
            deployment=(READY,),
        ),
        Entry(
            "UpgradeBlocked",
            Course.RETRIED,
            "`engineVersion` asks for a later major version, which is had by an RDS blue/green deployment, and "
            "something that this needs isn't so: logical replication on, backups on, a primary key on every table, no "
            "read replicas, a version that AWS upgrades the present one to, a parameter group of the new version. The "
            "message lists what is missing. Nothing has been begun, and the present version serves on.",
            "Do what the message says of each; it is looked at again by itself. Or set engineVersion back.",
            (
                _INSTANCE,
                'aws rds describe-db-engine-versions --engine postgres --engine-version "$VERSION" '
                "--query 'DBEngineVersions[0].ValidUpgradeTarget[].EngineVersion'",
            ),
            deployment=(SYNCED,),
        ),
        Entry(
            "UpgradeFailed",
            Course.STAYS,
            "AWS could not make the green instance of the new version, or could not switch over to it in time. The "
            "present version serves on. The message has AWS' own word for it.",
            "AWS' events say why. Mend the cause, and approve another try with the value that the message gives. Or "
            "set engineVersion back: the green instance is removed, without harm to the database.",
            (
                "aws rds describe-blue-green-deployments "
                "--query 'BlueGreenDeployments[].[BlueGreenDeploymentName,Status,StatusDetails]'",
                *_INSTANCE_EVENTS[:1],
                'kubectl annotate --overwrite tracetrackdeployment "$NAME" -n "$NS" tracetrack.io/approve="$VALUE"',
            ),
            deployment=(SYNCED,),
        ),
        Entry(
            "VolumeNotExpanded",
            Course.STAYS,
            "Provider Embedded: the volume claim can't grow to `storage`. What is there serves on.",
            "Its StorageClass must have allowVolumeExpansion: true. A volume on a class that can't do it stays as it "
            "is: set `storage` back.",
            (
                'kubectl get persistentvolumeclaims -n "$NS" '
                "-o custom-columns=NAME:.metadata.name,CLASS:.spec.storageClassName,SIZE:.status.capacity.storage",
                "kubectl get storageclasses -o custom-columns=NAME:.metadata.name,GROWS:.allowVolumeExpansion",
                'kubectl patch storageclass "$CLASS" -p \'{"allowVolumeExpansion":true}\'',
            ),
            deployment=BACKINGS,
        ),
    ),
)
