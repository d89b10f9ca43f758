"""The calls of devices that go the short way (http/express.py)."""

from __future__ import annotations

from tracetrack_app.http.v1.hotreads import HotReads
from tracetrack_app.http.v1.hotscans import HotScans
from tracetrack_app.service import Service


class HotCalls:
    """An Express: scans, and look-ups of bags that are kept in this process."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.get = HotReads(service).get
        self.post = HotScans(service).post

    def leaving(self) -> bool:
        return self._service.draining
