"""The custom resources of `tracetrack.io/v1alpha1` as typed models; the CRDs are generated from them."""

from .cache import CacheProvider, CacheSpec, ElastiCacheCache, EmbeddedCache, ExternalCache
from .conditions import ConditionType, Reason
from .database import DatabaseProvider, DatabaseSpec, EmbeddedDatabase, ExternalDatabase
from .deployment import DeletionPolicy, TraceTrackDeployment, TraceTrackDeploymentSpec
from .exposure import ExposureSpec, ServiceType
from .fleet import FleetDeletionPolicy, ScannerFleet, ScannerFleetSpec, ScannerFleetStatus
from .meta import Condition, ConditionStatus, LocalObjectReference, ObjectMeta, ObjectRef
from .model import InvalidResourceError
from .rds import RDSDatabase
from .slice import Scanner, ScannerSlice, ScannerState
from .status import DependencyStatus, TraceTrackDeploymentStatus

RESOURCES = (TraceTrackDeployment, ScannerFleet, ScannerSlice)

__all__ = [
    "RESOURCES",
    "CacheProvider",
    "CacheSpec",
    "Condition",
    "ConditionStatus",
    "ConditionType",
    "DatabaseProvider",
    "DatabaseSpec",
    "DeletionPolicy",
    "DependencyStatus",
    "ElastiCacheCache",
    "EmbeddedCache",
    "EmbeddedDatabase",
    "ExposureSpec",
    "ExternalCache",
    "ExternalDatabase",
    "FleetDeletionPolicy",
    "InvalidResourceError",
    "LocalObjectReference",
    "ObjectMeta",
    "ObjectRef",
    "RDSDatabase",
    "Reason",
    "Scanner",
    "ScannerFleet",
    "ScannerFleetSpec",
    "ScannerFleetStatus",
    "ScannerSlice",
    "ScannerState",
    "ServiceType",
    "TraceTrackDeployment",
    "TraceTrackDeploymentSpec",
    "TraceTrackDeploymentStatus",
]
