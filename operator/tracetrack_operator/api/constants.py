"""Names shared by everything that speaks of TraceTrack in the Kubernetes API."""

from typing import Final

GROUP: Final = "tracetrack.io"
VERSION: Final = "v1alpha1"
API_VERSION: Final = "tracetrack.io/v1alpha1"
CATEGORY: Final = "tracetrack"

FIELD_MANAGER: Final = "tracetrack-operator"
FINALIZER: Final = f"{GROUP}/cleanup"
APPROVE: Final = f"{GROUP}/approve"
ADOPT: Final = f"{GROUP}/adopt"
AGREED: Final = f"{GROUP}/agreed"
ROTATE: Final = f"{GROUP}/rotate"
ROTATE_HONOURED: Final = f"{GROUP}/rotate-honoured"
ROTATING: Final = f"{GROUP}/rotating"
UPGRADING: Final = f"{GROUP}/upgrading"
DRILL: Final = f"{GROUP}/drill"
IN_FORCE_SINCE: Final = f"{GROUP}/in-force-since"

LABEL_NAME: Final = "app.kubernetes.io/name"
LABEL_INSTANCE: Final = "app.kubernetes.io/instance"
LABEL_COMPONENT: Final = "app.kubernetes.io/component"
LABEL_PART_OF: Final = "app.kubernetes.io/part-of"
LABEL_MANAGED_BY: Final = "app.kubernetes.io/managed-by"
LABEL_DEPLOYMENT: Final = f"{GROUP}/deployment"
LABEL_FLEET: Final = f"{GROUP}/fleet"

MANAGED_BY: Final = "tracetrack-operator"
MANAGED_SELECTOR: Final = f"{LABEL_MANAGED_BY}={MANAGED_BY}"

NAME_MAX_LENGTH: Final = 40
SLICE_CAPACITY: Final = 100
OWNER_ATTRIBUTE: Final = "tracetrack-uid"
