"""Reasons of requests to the Kubernetes API that went wrong, and of the operator's own faults."""

from .entry import FLEET_PARTS, OPERATOR_LOG, PARTS, READY, SCANNERS, Course, Entry, Group

_PLACES = (*PARTS, READY)

KUBERNETES = Group(
    "Kubernetes and the operator",
    (
        Entry(
            "Forbidden",
            Course.RETRIED,
            "The operator's ServiceAccount may not make the request, or an admission controller refuses the object.",
            "The chart grants what is needed (`rbac.create`): upgrade it together with the operator. With "
            "`watchNamespaces`, check that the namespace is listed.",
            (
                "helm list -n tracetrack-system",
                'kubectl auth can-i --list -n "$NS" --as="system:serviceaccount:tracetrack-system:${OPERATOR##*/}"',
            ),
            deployment=_PLACES,
            fleet=FLEET_PARTS,
        ),
        Entry(
            "Conflict",
            Course.RETRIED,
            "An object was changed or made anew by somebody else between the operator's look and its write.",
            "Nothing, if it passes. If it goes on, somebody writes the same object all the time: the managed fields "
            "say who.",
            ('kubectl get tracetrackdeployment "$NAME" -n "$NS" -o yaml --show-managed-fields',),
            deployment=_PLACES,
            fleet=FLEET_PARTS,
        ),
        Entry(
            "NotFound",
            Course.RETRIED,
            "The Kubernetes API doesn't know the kind or the namespace that the operator writes to.",
            "Check that the CustomResourceDefinitions are installed and the namespace exists.",
            ("kubectl get crd -o name | grep tracetrack.io", 'kubectl get namespace "$NS"'),
            deployment=_PLACES,
            fleet=FLEET_PARTS,
        ),
        Entry(
            "KubernetesUnreachable",
            Course.RETRIED,
            "The operator could not reach the Kubernetes API. What runs goes on running.",
            "Nothing, if it passes, as during an upgrade of the control plane. Else check the chart's "
            "`networkPolicy.egressPorts` and the API server.",
            ("kubectl get --raw /readyz", OPERATOR_LOG),
            deployment=_PLACES,
            fleet=FLEET_PARTS,
        ),
        Entry(
            "KubernetesError",
            Course.RETRIED,
            "The Kubernetes API answered with an error that has no entry of its own here: overloaded, an internal "
            "error, a webhook that doesn't answer.",
            "If it goes on, act on the message; look at the webhooks and at the API server's log.",
            (
                "kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations",
                OPERATOR_LOG,
            ),
            deployment=_PLACES,
            fleet=FLEET_PARTS,
        ),
        Entry(
            "OperatorError",
            Course.RETRIED,
            "A defect in the operator. What was made so far is kept, and the work is tried again.",
            "Its log has the stack: report it with the versions of operator and CustomResourceDefinitions.",
            (
                OPERATOR_LOG,
                'kubectl get "$OPERATOR" -n tracetrack-system '
                "-o jsonpath='{.spec.template.spec.containers[0].image}{\"\\n\"}'",
            ),
            fleet=(SCANNERS,),
        ),
    ),
)
