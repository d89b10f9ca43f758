"""Lists sent as files, in the addresses of the existing system: imported in the background, asked after by number."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import UUID

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Message

from tracetrack_app.domain.codes import clean_text
from tracetrack_app.domain.imports import Counts
from tracetrack_app.domain.people import Permission, Principal
from tracetrack_app.http.auth.guard import check_csrf, principal, signed_in
from tracetrack_app.http.auth.trail import who
from tracetrack_app.http.legacy.bill_shapes import wants_page
from tracetrack_app.http.legacy.common import answered, asked, done
from tracetrack_app.http.pages.templates import page
from tracetrack_app.http.replies import Refused, error_reply, reply, service_of
from tracetrack_app.ingest.errorfile import ErrorFile
from tracetrack_app.ingest.import_runner import ANY, ImportRunner
from tracetrack_app.ingest.rehearsal import Rehearsal
from tracetrack_app.ingest.sheetwriter import TableWriter, writer
from tracetrack_app.service import Service
from tracetrack_app.store.audit import Who
from tracetrack_app.store.guarded import guarded
from tracetrack_app.store.import_jobs import ImportJobs, Job
from tracetrack_app.store.recorder import Recorder, Recording

MAX_FILE = 16 << 20
MAX_BODY = 32 << 20
MAX_FILES = 20
SHOWN = 100
ANSWER_WITHIN = 8.0
_UPLOAD_PATIENCE = 20.0
_KINDS = {
    "/import/bags": "bags",
    "/import/bills": "bills",
    "/import/batch_child_parent": "child-parent",
    "/import/batch_parent_bill": "parent-bill",
    "/import/batch_multi": ANY,
}
_TITLES = {
    "bags": "Import bags",
    "bills": "Import bills",
    "child-parent": "Import children and their parents",
    "parent-bill": "Import parents and their bills",
    ANY: "Import lists of any kind",
}


class _Imports:
    """What the calls of one app share."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.jobs = ImportJobs(service.connector, service.ledger.pool)
        self.runner = ImportRunner(self.jobs, self._begin, lambda: service.draining, self._ended, service.feed.imported)
        # Uploads are spooled to /tmp, which is small: one at a time.
        self.uploading = asyncio.Semaphore(1)

    async def _begin(self, dry_run: bool) -> Recording:
        service, capacity = self.service, self.service.settings.parent_capacity
        if dry_run:
            async with guarded(service.connector):
                return Rehearsal(await service.connector.connect(), capacity)
        return Recorder(service.connector, service.ledger, capacity=capacity, changed=service.coherence.changed)

    async def _ended(self, job: Job, counts: Counts, message: str) -> None:
        details = {"kind": job.kind, "dry_run": job.dry_run, "result": message}
        await self.service.audit.record("import_ended", Who(job.user_id), "import", job.id, details=details)


def _imports(request: Request) -> _Imports:
    service = service_of(request)
    found: _Imports | None = getattr(request.app.state, "imports", None)
    if found is None or found.service is not service:
        found = request.app.state.imports = _Imports(service)
    return found


@answered
async def begin(request: Request) -> Response:
    """GET: the form. POST: the files; the outcome, or after some seconds 202 with the address to ask at."""
    session = signed_in(request)
    admin = await principal(request, Permission.IMPORT_EXPORT)
    imports = _imports(request)
    kind = _KINDS[request.url.path]
    if request.method != "POST":
        jobs = await imports.jobs.newest(admin.user_id)
        return done(request, _page(request, "import.html", kind=kind, title=_TITLES[kind], kinds=_links(), jobs=jobs))
    try:
        async with asyncio.timeout(_UPLOAD_PATIENCE):
            await imports.uploading.acquire()
    except TimeoutError:
        raise Refused(503, "Another upload is under way: try again in a minute.", error_code="unavailable") from None
    try:
        if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
            raise Refused(400, "Send the list as a file, in a multipart form.", error_code="bad_request")
        async with _limited(request).form(max_files=MAX_FILES, max_fields=50) as form:
            fields = {name: value for name, value in form.items() if isinstance(value, str)}
            check_csrf(request, session, fields)
            files = await _files(form)
            if isinstance(files, Response):
                return files
            job = await imports.jobs.create(admin.user_id, kind, files, dry_run=_is_set(fields, "dry_run"))
            names = [name for name, _ in files]
            del files
    finally:
        imports.uploading.release()
    details = {"kind": kind, "files": names, "dry_run": job.dry_run}
    await imports.service.audit.record("import", who(request, admin), "import", job.id, details=details)
    task = imports.runner.start(job)
    if wants_page(request):
        await asyncio.wait({task}, timeout=1)
        return done(request, RedirectResponse(f"/import/status/{job.id}", 303))
    await asyncio.wait({task}, timeout=ANSWER_WITHIN)
    return done(request, await _told(request, imports, await _job(imports, admin, str(job.id))))


def _limited(request: Request) -> Request:
    """The request, whose body ends in 413, in the old shape, past MAX_BODY (Starlette's own limit answers in text)."""
    left = MAX_BODY

    async def receive() -> Message:
        nonlocal left
        message = await request.receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise HTTPException(413, f"The upload is larger than {MAX_BODY >> 20} MB: send fewer files at once.")
        return message

    return Request(request.scope, receive)


async def _files(form: FormData) -> list[tuple[str, bytes]] | Response:
    uploads = [value for _, value in form.multi_items() if isinstance(value, UploadFile) and value.filename]
    if not uploads:
        raise Refused(400, "No file was sent: choose a CSV or Excel (.xlsx) file.", error_code="bad_request")
    for upload in uploads:
        if (upload.size or 0) > MAX_FILE:
            words = f"{clean_text(upload.filename or '', 100)} is larger than {MAX_FILE >> 20} MB: split the list."
            return error_reply(413, words, "too_large")
    return [(clean_text(upload.filename or "", 200) or "file", await upload.read()) for upload in uploads]


@answered
async def status(request: Request) -> Response:
    """How far an import is, or what came of it. One that its replica left is gone on with here."""
    admin, _ = await asked(request, Permission.IMPORT_EXPORT)
    imports = _imports(request)
    job = await _job(imports, admin, request.path_params["job"])
    if job.abandoned:
        imports.runner.start(job)
    if not wants_page(request):
        return done(request, await _told(request, imports, job))
    problems = await imports.jobs.problems(job.id, SHOWN)
    values = {"job": _shape(job), "problems": problems, "title": _TITLES[job.kind]}
    return done(request, _page(request, "import_job.html", **values))


@answered
async def errors(request: Request) -> Response:
    """The refused rows, to be mended and sent again: CSV if a CSV was sent, else Excel."""
    admin, _ = await asked(request, Permission.IMPORT_EXPORT)
    imports = _imports(request)
    job = await _job(imports, admin, request.path_params["job"])
    names = await imports.jobs.names(job.id)
    form = "csv" if len(names) == 1 and not names[0].lower().endswith((".xlsx", ".xlsm")) else "excel"
    out = writer(form)
    stem = "".join(char if char.isascii() and (char.isalnum() or char in " -_.") else "_" for char in names[0])
    name = f"{stem.rpartition('.')[0] or stem}-errors.{out.suffix}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return done(
        request, StreamingResponse(_error_rows(imports, job, out, len(names) > 1), 200, headers, out.media_type)
    )


async def _error_rows(imports: _Imports, job: Job, out: TableWriter, several: bool) -> AsyncIterator[bytes]:
    file = ErrorFile(out, several_files=several)
    begun = False
    async for batch in imports.jobs.all_problems(job.id):
        for each in batch:
            if each.reason is None:
                file.begin(each.file, each.sheet, each.cells)
                begun = True
            else:
                file.rows([(each.cells, each.reason)])
        yield out.take()
    if not begun:
        out.begin("Errors", ["reason"])
    out.end()
    yield out.take()


async def _job(imports: _Imports, admin: Principal, number: str) -> Job:
    try:
        job = await imports.jobs.get(UUID(number), admin.user_id)
    except ValueError:
        job = None
    if job is None:
        raise Refused(404, "There is no such import of yours.", error_code="not_found")
    return job


async def _told(request: Request, imports: _Imports, job: Job) -> Response:
    body = _shape(job)
    if job.state in ("waiting", "running"):
        return reply(
            body, 202 if request.method == "POST" else 200, {"Location": body["status_url"], "Retry-After": "2"}
        )
    problems = await imports.jobs.problems(job.id, SHOWN)
    body["rows"] = [
        {"file": each.file, "sheet": each.sheet, "row": each.row, "reason": each.reason, "holder": each.holder}
        for each in problems
    ]
    return reply(body)


def _shape(job: Job) -> dict[str, Any]:
    running = job.state in ("waiting", "running")
    rate = job.rate
    good = job.imported + job.repeated + job.unchanged
    body: dict[str, Any] = {
        "success": running or (job.state == "done" and (good > 0 or not job.refused)),
        "message": job.message or f"{job.rows_done:,} of {job.rows_total:,} rows are done.",
        "import_id": str(job.id),
        "kind": job.kind,
        "dry_run": job.dry_run,
        "state": job.state,
        "complete": not running,
        "total": job.rows_total,
        "done": job.rows_done,
        "imported": job.imported,
        "repeated": job.repeated,
        "unchanged": job.unchanged,
        "refused": job.refused,
        "rate": round(rate, 1),
        "seconds_left": round((job.rows_total - job.rows_done) / rate) if running and rate else None,
        "rows": [],
        "status_url": f"/import/status/{job.id}",
        "errors_url": f"/import/errors/{job.id}" if job.refused else None,
    }
    if job.state == "failed":
        body["error_type"] = "invalid_format"
    return body


def _is_set(fields: Mapping[str, str], name: str) -> bool:
    return fields.get(name, "").strip().lower() in ("1", "true", "on", "yes")


def _links() -> list[tuple[str, str]]:
    return [(path, _TITLES[kind]) for path, kind in _KINDS.items()]


def _page(request: Request, template: str, **values: Any) -> Response:
    session = signed_in(request)
    token = service_of(request).sessions.csrf_token(session)
    return page(template, user=session.username, csrf_token=token, **values)


ROUTES = [
    *(Route(path, begin, methods=["GET", "POST"]) for path in _KINDS),
    Route("/import/status/{job}", status),
    Route("/import/errors/{job}", errors),
]
