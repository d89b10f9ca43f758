"""GET /api/bag/<qr>: one bag in the shape of the existing system."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracetrack_app.domain import codes
from tracetrack_app.domain.people import Permission
from tracetrack_app.http.legacy.common import answered, asked, done
from tracetrack_app.http.replies import Refused, reply, service_of
from tracetrack_app.store.guarded import guarded


@answered
async def bag(request: Request) -> Response:
    """The bag of this code, in any case; 404 for one of another area too."""
    principal, _ = await asked(request, Permission.LOOKUP)
    service = service_of(request)
    try:
        code = codes.parse(request.path_params["qr"]).text
    except codes.MalformedCodeError as error:
        code = error.text[:64]
    async with guarded(service.connector):
        found = await service.views.bag(code)
        if found is None or principal.scope not in (None, found.area):
            raise Refused(404, f"Bag {code} not found.", error_code="not_found")
        is_parent = found.kind == codes.Kind.PARENT
        weights = await service.views.weights([found]) if is_parent else None
    body = {
        "success": True,
        "id": found.id,
        "qr_id": found.code,
        "type": found.kind,
        "status": found.status,
        "name": found.name,
        "dispatch_area": found.area,
        "parent_qr": found.parent,
        "bill_id": found.bill,
        "child_count": found.child_count,
        "expected_count": found.capacity,
        "children": found.children,
        "weight_kg": weights.actual_kg if weights is not None else None,
        "expected_weight_kg": weights.expected_kg if weights is not None else None,
        "created_at": found.created_at.isoformat(),
        "updated_at": found.updated_at.isoformat(),
    }
    return done(request, reply(body))


ROUTES = [Route("/api/bag/{qr}", bag)]
