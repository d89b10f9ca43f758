"""Certificates of AWS IoT in memory, with answers that can be lost: what the sweep and the pipeline are tested on."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from tracetrack_operator.aws.errors import AwsNotFound
from tracetrack_operator.engine.errors import ReconcileError

ARN = "arn:aws:iot:eu-central-1:123456789012:cert/"


class FakeIot:
    """An `AwsPort` for the certificate calls. `failures` maps an operation to (executed, error) of its next calls."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)
        self.certificates: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []
        self.failures: dict[str, list[tuple[bool, ReconcileError]]] = {}
        self._authority = ec.generate_private_key(ec.SECP256R1())

    async def call(
        self, service: str, operation: str, /, *, region: str | None = None, **parameters: Any
    ) -> dict[str, Any]:
        self.calls.append(operation)
        await asyncio.sleep(0)
        pending = self.failures.get(operation)
        executed, error = pending.pop(0) if pending else (True, None)
        answer: dict[str, Any] = getattr(self, f"_{operation}")(**parameters) if executed else {}
        if error is not None:
            raise error
        return answer

    async def pages(
        self, service: str, operation: str, items: str, /, *, region: str | None = None, **parameters: Any
    ) -> AsyncIterator[dict[str, Any]]:
        answer = await self.call(service, operation, **parameters)
        for item in answer[items]:
            yield item

    def issue(self, request_pem: str) -> dict[str, Any]:
        """A certificate as AWS makes it: subject and key of the request."""
        request = x509.load_pem_x509_csr(request_pem.encode())
        builder = (
            x509.CertificateBuilder()
            .subject_name(request.subject)
            .issuer_name(request.subject)
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.now)
            .not_valid_after(self.now + timedelta(days=9000))
        )
        certificate = builder.sign(self._authority, hashes.SHA256())
        certificate_id = hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()
        record = {
            "certificateId": certificate_id,
            "certificateArn": ARN + certificate_id,
            "certificatePem": certificate.public_bytes(Encoding.PEM).decode(),
            "status": "ACTIVE",
            "creationDate": self.now,
        }
        self.certificates[certificate_id] = record
        self.now += timedelta(seconds=1)
        return record

    def _create_certificate_from_csr(self, certificateSigningRequest: str, setAsActive: bool) -> dict[str, Any]:  # noqa: N803
        assert setAsActive
        return self.issue(certificateSigningRequest)

    def _list_certificates(self, ascendingOrder: bool, pageSize: int) -> dict[str, Any]:  # noqa: N803
        newest_first = sorted(self.certificates.values(), key=lambda c: c["creationDate"], reverse=not ascendingOrder)
        return {"certificates": newest_first}

    def _describe_certificate(self, certificateId: str) -> dict[str, Any]:  # noqa: N803
        if certificateId not in self.certificates:
            raise AwsNotFound("ResourceNotFoundException", "AwsNotFound", "no such certificate")
        return {"certificateDescription": self.certificates[certificateId]}

    def _update_certificate(self, certificateId: str, newStatus: str) -> dict[str, Any]:  # noqa: N803
        self.certificates[certificateId]["status"] = newStatus
        return {}

    def _detach_policy(self, policyName: str, target: str) -> dict[str, Any]:  # noqa: N803
        return {}

    def _delete_certificate(self, certificateId: str) -> dict[str, Any]:  # noqa: N803
        assert self.certificates[certificateId]["status"] == "INACTIVE"
        del self.certificates[certificateId]
        return {}
