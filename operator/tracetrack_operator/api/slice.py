"""ScannerSlice: the state of up to 100 scanners of a fleet, one entry each."""

from typing import ClassVar, Literal

from pydantic import ConfigDict, Field

from .constants import API_VERSION, SLICE_CAPACITY
from .deployment import AGE_COLUMN
from .meta import ObjectMeta, ObjectRef
from .model import Column, Enumeration, Names, Resource, ResourceInfo, Rule, StatusModel, Timestamp, rules


class ScannerState(Enumeration):
    PENDING = "Pending"
    KEY_SAVED = "KeySaved"
    CERTIFICATE_REQUESTED = "CertificateRequested"
    CERTIFICATE_ISSUED = "CertificateIssued"
    READY = "Ready"
    RETIRING = "Retiring"


class Scanner(StatusModel):
    """One scanner, as last seen."""

    name: str = Field(
        min_length=1, max_length=63, description="Name of the scanner in its fleet, such as lucknow-0001."
    )
    thing_name: str = Field(min_length=1, max_length=128, description="Name of its AWS IoT thing.")
    state: ScannerState = Field(
        default=ScannerState.PENDING,
        description="How far it is. Pending: nothing is made yet. KeySaved: its private key is in the slice's "
        "Secret. "
        "CertificateRequested: a certificate for that key has been asked for, the answer isn't saved yet. "
        "CertificateIssued: the certificate is in the slice's Secret. Ready: thing, certificate, policy and "
        "device key are "
        "in place. Retiring: it is being taken out of service.",
    )
    certificate_id: str | None = Field(default=None, max_length=64, description="ID of its AWS IoT certificate.")
    certificate_not_after: Timestamp | None = Field(default=None, description="When the certificate ends.")
    key_generation: int = Field(default=1, ge=1, description="Generation of its device key.")
    requested_at: Timestamp | None = Field(default=None, description="When its certificate was asked for.")
    message: str | None = Field(
        default=None, max_length=1024, description="What keeps it from being Ready, and the remedy."
    )


class ScannerSlice(Resource):
    """The state of up to 100 scanners of one fleet; written by the operator, for reading only."""

    api_version: Literal["tracetrack.io/v1alpha1"] = API_VERSION
    kind: Literal["ScannerSlice"] = "ScannerSlice"
    metadata: ObjectMeta
    fleet_ref: ObjectRef = Field(
        description="ScannerFleet that the scanners belong to.",
        json_schema_extra=rules(
            Rule(
                "self == oldSelf",
                "fleetRef can't be changed: delete the ScannerSlice, and the operator makes a new one",
            )
        ),
    )
    index: int = Field(
        ge=0,
        le=9_999,
        description=f"Place of the slice in its fleet, from 0, {SLICE_CAPACITY} scanners each.",
        json_schema_extra=rules(
            Rule("self == oldSelf", "index can't be changed: delete the ScannerSlice, and the operator makes a new one")
        ),
    )
    scanners: list[Scanner] = Field(
        default_factory=list,
        max_length=SLICE_CAPACITY,
        description="The scanners, by number.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )

    model_config = ConfigDict(extra="ignore")

    info: ClassVar[ResourceInfo] = ResourceInfo(
        kind="ScannerSlice",
        names=Names("scannerslices", "scannerslice", "ss"),
        columns=(
            Column("Fleet", "string", ".fleetRef.name", "ScannerFleet that the scanners belong to."),
            Column("Index", "integer", ".index", "Place of the slice in its fleet."),
            Column("Scanners", "string", ".scanners[*].name", "Names of the scanners.", priority=1),
            AGE_COLUMN,
        ),
        status=False,
    )
