"""Reasons of pods that don't run."""

from .entry import APPLICATION, FLEET_PARTS, PARTS, SCALING, Course, Entry, Group

_PODS = 'kubectl get pods -n "$NS" -l tracetrack.io/deployment="$NAME" -o wide'
_DESCRIBE_PODS = 'kubectl describe pods -n "$NS" -l tracetrack.io/deployment="$NAME"'

PODS = Group(
    "Pods",
    (
        Entry(
            "ImageUnavailable",
            Course.RETRIED,
            "A node can't pull the image of a pod: there is none of that name and tag, the registry wants "
            "credentials, or it can't be reached.",
            "For the application, check `spec.version`, `spec.image` and `spec.image.pullSecrets`; for provider "
            "Embedded, the chart's `embedded.image`. The pod's Events have the registry's answer. A node tries again "
            "within five minutes.",
            (
                _DESCRIBE_PODS,
                'kubectl get tracetrackdeployment "$NAME" -n "$NS" '
                "-o jsonpath='{.spec.version} {.spec.image}{\"\\n\"}'",
            ),
            deployment=PARTS,
        ),
        Entry(
            "ContainerNotCreated",
            Course.RETRIED,
            "A container can't be created from its configuration: most often a Secret or ConfigMap that it refers to "
            "is gone, or lacks a key.",
            "Mend what the message names. What the operator makes itself it makes again when it is deleted.",
            (_DESCRIBE_PODS,),
            deployment=PARTS,
        ),
        Entry(
            "CrashLooping",
            Course.RETRIED,
            "A container starts and ends, again and again; the message has its exit code.",
            "Its last log says why. Out of memory (exit code 137): raise `spec.resources.limits.memory`. After a "
            "change of `spec.version`: set it back, the earlier pods serve until the new ones are ready.",
            (
                _PODS,
                'kubectl logs --previous "$POD" -n "$NS" --all-containers --tail=50',
            ),
            deployment=PARTS,
        ),
        Entry(
            "Unschedulable",
            Course.RETRIED,
            "No node takes a pod: too little CPU or memory is left, a volume is in another zone, taints or node "
            "labels don't fit. Told by `ScalingReady` alone when at least `spec.scaling.minReplicas` pods serve: then "
            "only what the autoscaler asked for beyond that is missing.",
            "Add nodes, or lower `spec.resources.requests` or `spec.scaling`. The scheduler's message counts the nodes "
            "by what keeps the pod off them.",
            (
                'kubectl get pods -n "$NS" --field-selector=status.phase=Pending',
                "kubectl describe nodes | grep -A 8 'Allocated resources'",
            ),
            deployment=(*PARTS, SCALING),
        ),
        Entry(
            "PodsRefused",
            Course.RETRIED,
            "The API server refuses to let the application's pods be made: an admission webhook, a Pod Security "
            "level, a LimitRange.",
            "Mend what the message names. TraceTrack's pods meet the *restricted* Pod Security standard.",
            (
                'kubectl describe replicasets -n "$NS" -l tracetrack.io/deployment="$NAME"',
                'kubectl get namespace "$NS" -o jsonpath=\'{.metadata.labels}{"\\n"}\'',
                'kubectl get limitranges -n "$NS"',
            ),
            deployment=(APPLICATION,),
        ),
        Entry(
            "QuotaExceeded",
            Course.RETRIED,
            "The namespace's ResourceQuota has no room for what is to be made.",
            "Raise the quota, delete what nobody needs, or lower `spec.resources` or `spec.scaling`.",
            ('kubectl describe resourcequotas -n "$NS"',),
            deployment=PARTS,
            fleet=FLEET_PARTS,
        ),
        Entry(
            "Stalled",
            Course.RETRIED,
            "A rollout has come no further for ten minutes: new pods start and don't become ready. Those of the "
            "earlier version serve on.",
            "Look at the new pods and their logs. Set `spec.version` back to stop the rollout.",
            (
                _PODS,
                'kubectl logs -n "$NS" -l tracetrack.io/deployment="$NAME",app.kubernetes.io/component=app --tail=50',
            ),
            deployment=(APPLICATION,),
        ),
    ),
)
