"""An AWS request as what it means: service, operation and parameters, whatever its wire protocol; and errors back."""

from __future__ import annotations

import functools
import uuid
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from botocore.exceptions import UnknownServiceError
from moto.core.exceptions import ServiceException
from moto.core.model import OperationModel, ServiceModel
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.serialize import SerializationContext, get_serializer_class
from moto.core.utils import get_service_model
from werkzeug.exceptions import NotFound

SIGNING_NAMES = {
    "iotdata": "iot-data",
    "iotdevicegateway": "iot-data",
    "execute-api": "apigatewaymanagementapi",
    "tagging": "resourcegroupstaggingapi",
}
UNSIGNED_ACTIONS = {"AssumeRoleWithWebIdentity": "sts", "AssumeRoleWithSAML": "sts"}


@dataclass
class Call:
    """One decoded request. `model` is None when service or operation is none that AWS has (see `operation`)."""

    service: str
    operation: str
    region: str
    protocol: str
    model: OperationModel | None
    params: dict[str, Any] = field(default_factory=dict)


@functools.cache
def service_model(name: str) -> ServiceModel | None:
    try:
        return get_service_model(name)
    except UnknownServiceError:
        return None


def scope(headers: dict[str, str], body: bytes) -> tuple[str, str]:
    """(service, region) of the SigV4 credential scope; of the action for the calls that go unsigned."""
    credential = headers.get("authorization", "").partition("Credential=")[2].split(",")[0].split("/")
    if len(credential) >= 5:
        return SIGNING_NAMES.get(credential[-2], credential[-2]), credential[-3]
    action = parse_qs(body.decode(errors="replace")).get("Action", [""])[0]
    return UNSIGNED_ACTIONS.get(action, "unsigned"), "us-east-1"


def caller(headers: dict[str, str]) -> str:
    """The access key that signed."""
    return headers.get("authorization", "").partition("Credential=")[2].partition("/")[0]


def decode(method: str, url: str, headers: dict[str, str], body: bytes) -> Call:
    """The call that a request makes. `headers` keys in lower case."""
    service, region = scope(headers, body)
    model = service_model(service)
    if model is None:
        return Call(service, f"{method} {url}", region, "json", None)
    request = Request.from_primitives(method, url, headers, body)
    request.environ["RAW_URI"] = url
    try:
        protocol = determine_request_protocol(model, request.content_type)
        operation, uri_params = get_service_router(service).match(request)
    except (NotFound, NotImplementedError):
        name = headers.get("x-amz-target") or request.values.get("Action") or f"{method} {request.path}"
        return Call(service, name, region, str(model.protocol), None)
    parser = PROTOCOL_PARSERS[protocol](operation)
    params = parser.parse(
        {
            "method": method,
            "values": request.values,
            "headers": request.headers,
            "body": request.data,
            "url_path": request.path,
            "url_params": uri_params,
        }
    )
    return Call(service, operation.name, region, protocol, operation, dict(params or {}))


class _Refusal(ServiceException):
    """Outside moto's package, from whose name moto would guess a service."""


def error(call: Call, code: str, message: str, status: int | None = None) -> tuple[int, dict[str, str], bytes]:
    """(status, headers, body) of an error in the protocol of the call; the model's status unless one is given."""
    model = call.model or _any_operation(call.service)
    request_id = str(uuid.uuid4())
    serializer = get_serializer_class(call.service, call.protocol)(model, context=SerializationContext(request_id))
    answer = serializer.serialize(_Refusal(code, message))
    headers = {str(name): str(value) for name, value in answer["headers"].items()}
    headers["x-amzn-RequestId"] = request_id
    body = answer["body"]
    return status or answer["status_code"], headers, body.encode() if isinstance(body, str) else body


def _any_operation(service: str) -> OperationModel:
    return OperationModel({}, service_model(service) or get_service_model("sts"))
