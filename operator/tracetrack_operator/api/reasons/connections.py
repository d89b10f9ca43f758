"""Reasons of a database or cache that was asked and can't be used."""

from .entry import BACKINGS, CACHE, DATABASE, DESCRIBE, REPLICAS, SYNCED, Course, Entry, Group

_ENDPOINTS = (
    'kubectl get tracetrackdeployment "$NAME" -n "$NS" -o jsonpath=\'{.status.database}{"\\n"}{.status.cache}{"\\n"}\''
)
CONNECTIONS = Group(
    "Connecting to database and cache",
    (
        Entry(
            "EndpointUnreachable",
            Course.RETRIED,
            "Nobody answers at host and port, or what answers doesn't speak the protocol. The operator asks every ten "
            "seconds; pods that run keep the last login that worked.",
            "Check host and port, whether the server runs, and that security groups and NetworkPolicies let both the "
            "operator and the application through. The operator goes out to 443, 6443, 5432 and 6379 only: "
            "any other port has to be in the chart's `networkPolicy.egressPorts`.",
            (
                _ENDPOINTS,
                'kubectl get networkpolicies -n "$NS"',
                'aws rds describe-db-instances --db-instance-identifier "$DB" '
                "--query 'DBInstances[0].[DBInstanceStatus,Endpoint,VpcSecurityGroups]'",
            ),
            deployment=(*BACKINGS, REPLICAS),
        ),
        Entry(
            "AuthenticationFailed",
            Course.RETRIED,
            "The server refuses the user name or the password. Pods that run keep the last login that worked.",
            "With External or `management: Bound`, correct username and password in the Secret that the message names. "
            "With a managed instance the password was changed in AWS, or the Secret that the operator made was lost: "
            "`Synced` then says AwaitingApproval, and once you approve, the password in the Secret is set in AWS.",
            (
                DESCRIBE,
                'kubectl annotate --overwrite tracetrackdeployment "$NAME" -n "$NS" tracetrack.io/approve="$VALUE"',
            ),
            deployment=(*BACKINGS, REPLICAS),
        ),
        Entry(
            "CredentialsNotRotated",
            Course.RETRIED,
            "Another login for the application could not be made: the server could not be reached, or the master user "
            "may not make logins. The application goes on with the login it has; without one it waits.",
            "Do what the message says. The operator tries again every half a minute. Where the master's own password "
            "is refused, `Synced` says AwaitingApproval next, and your approval has it set anew.",
            (
                DESCRIBE,
                'aws rds describe-db-instances --db-instance-identifier "$DB" '
                "--query 'DBInstances[0].[DBInstanceStatus,Endpoint,MasterUsername]'",
            ),
            deployment=(DATABASE, SYNCED),
        ),
        Entry(
            "MasterSecretImpaired",
            Course.STAYS,
            "RDS keeps the master's password (`masterCredentials: ManagedByRDS`) and can't rotate it: it may no longer "
            "use the secret or its KMS key. The password in the secret is still good, and the application has logins "
            "of its own.",
            "Let RDS use the key and the secret again; it says so after its next rotation. Or have a new secret: set "
            "`spec.database.rds.masterCredentials` to Generated, and back once `Synced` is True.",
            (
                'aws rds describe-db-instances --db-instance-identifier "$DB" '
                "--query 'DBInstances[0].MasterUserSecret'",
                'aws rds modify-db-instance --db-instance-identifier "$DB" --rotate-master-user-password '
                "--apply-immediately",
            ),
            deployment=(SYNCED,),
        ),
        Entry(
            "CredentialsUnreadable",
            Course.STAYS,
            "A database or cache of that name is in AWS, and what an earlier deployment saved of its credentials in "
            "Secrets Manager is no JSON object.",
            "Restore the secret's earlier version. Or delete it: the operator then makes a password up, and sets it in "
            "AWS once you approve.",
            ('aws secretsmanager list-secret-version-ids --secret-id "$SECRET"',),
            deployment=BACKINGS,
        ),
        Entry(
            "TLSFailed",
            Course.RETRIED,
            "The server answers, and no encrypted connection comes about: it has no TLS, its certificate isn't "
            "signed by an authority that is trusted, or is for another host name.",
            "External: check `sslmode` or `tls`, `ca.crt` and the host name in the Secret. RDS and ElastiCache: check "
            "the bundle that the chart's `aws.caConfigMap` names, if it names one: for RDS it has to be the one that "
            "AWS publishes. This shows the certificate:",
            ('openssl s_client -connect "$HOST:5432" -starttls postgres -showcerts </dev/null',),
            deployment=(*BACKINGS, REPLICAS),
        ),
        Entry(
            "TLSNotEnforced",
            Course.STAYS,
            "The database takes logins without TLS too. TraceTrack always asks for TLS and serves on; somebody else "
            "might send a password in the clear. PostgreSQL 14 has it so by default.",
            "Set `rds.force_ssl` to 1 in the DB parameter group of the instance, which takes no restart; a default "
            "group can't be changed: make one of your own, and name it in `spec.database.rds.parameterGroupName`. It "
            "is looked at again within some minutes.",
            (
                "aws rds describe-db-instances --query 'DBInstances[].[DBInstanceIdentifier,DBParameterGroups]'",
                'aws rds modify-db-parameter-group --db-parameter-group-name "$GROUP" '
                '--parameters "ParameterName=rds.force_ssl,ParameterValue=1,ApplyMethod=immediate"',
            ),
            deployment=(SYNCED,),
        ),
        Entry(
            "DatabaseNotFound",
            Course.RETRIED,
            "The login works, and the server has no database of the name in the Secret.",
            "Create the database, or name another one in the Secret.",
            ("psql \"$URI\" -c 'CREATE DATABASE tracetrack'", DESCRIBE),
            deployment=(DATABASE, REPLICAS),
        ),
        Entry(
            "VersionTooOld",
            Course.RETRIED,
            "The PostgreSQL server is older than version 14, which TraceTrack needs.",
            "Upgrade the server, or name another one in the Secret.",
            ("psql \"$URI\" -c 'SHOW server_version'",),
            deployment=(DATABASE,),
        ),
        Entry(
            "DatabaseError",
            Course.RETRIED,
            "PostgreSQL answers with an error of its own, which the message repeats: too many connections, starting "
            "up, recovering and the like.",
            "If it lasts, act on what the message says, and look at the server's log.",
            (DESCRIBE, "psql \"$URI\" -c 'SELECT state, count(*) FROM pg_stat_activity GROUP BY state'"),
            deployment=(DATABASE, REPLICAS),
        ),
        Entry(
            "CacheError",
            Course.RETRIED,
            "Redis answers with an error of its own, which the message repeats: loading, out of memory, read-only and "
            "the like.",
            "If it lasts, act on what the message says, and look at the server's log.",
            (DESCRIBE,),
            deployment=(CACHE,),
        ),
        Entry(
            "CertificateAuthoritiesUnreadable",
            Course.STAYS,
            "The operator is told to verify RDS and ElastiCache with a bundle of certificates, and can't read the "
            "file.",
            "Make the ConfigMap that the chart's `aws.caConfigMap` names, with the key ca.crt, or unset that value; "
            "then restart the operator.",
            (
                'kubectl create configmap "$CONFIGMAP" -n tracetrack-system --from-file=ca.crt=global-bundle.pem',
                'kubectl rollout restart -n tracetrack-system "$OPERATOR"',
            ),
            deployment=BACKINGS,
        ),
    ),
)
