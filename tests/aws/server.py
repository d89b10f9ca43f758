"""The server: the front, moto in the same process, ministack beside it. Runs in moto's environment."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import tempfile
import threading
import warnings
from pathlib import Path
from typing import Any

os.environ.update(
    {
        "DOCKER_HOST": "tcp://127.0.0.1:1",
        "MOTO_CALL_RESET_API": "false",
        # Read anew for each account: nobody asks for machine images.
        "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",
        "AWS_ACCESS_KEY_ID": "emulator",
        "AWS_SECRET_ACCESS_KEY": "emulator",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
)

from aiohttp import ClientConnectionError, ClientSession, TCPConnector, web
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

import tests.aws.slim  # noqa: F401

# isort: split
from tests.aws import corrections
from tests.aws.authority import Authority
from tests.aws.faults import Quotas
from tests.aws.front import Front
from tests.aws.holds import HeldCall
from tests.aws.parent import when_input_ends
from tests.aws.settings import ACCOUNT, Settings, parse
from tests.backing import Port


class _QuietHandler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


def start_moto() -> BaseWSGIServer:
    application: Any = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=_QuietHandler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 3600}, name="moto", daemon=True).start()
    return server


def start_ministack(port: int) -> subprocess.Popen[bytes]:
    python = os.environ["TRACETRACK_AWS_MINISTACK_PYTHON"]
    environment = {**os.environ, "MINISTACK_ACCOUNT_ID": ACCOUNT, "BIND_HOST": "127.0.0.1"}
    command = [python, "-m", "tests.aws.ministack_launcher", str(port)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, env=environment)


class Server:
    """Everything that `python -m tests.aws` runs; `serve()` returns when it is told to end."""

    def __init__(self, settings: Settings, directory: Path) -> None:
        self.settings = settings
        self.authority = Authority(
            directory, [settings.advertise, f"{settings.advertise}.cluster.local", "127.0.0.1", "localhost"]
        )
        self.estate = corrections.install(settings, self.authority, directory)
        self.moto = start_moto()
        self._ministack_port = Port()
        self.ministack = start_ministack(self._ministack_port.number)
        upstreams = {
            "moto": f"http://127.0.0.1:{self.moto.server_port}",
            "ministack": f"http://127.0.0.1:{self._ministack_port.number}",
        }
        self.front = Front(upstreams, Quotas(settings.quotas), lambda: self.session)
        self.session: ClientSession

    async def serve(self) -> None:
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ended.set)
        if self.settings.until_stdin_closes:
            when_input_ends(lambda: loop.call_soon_threadsafe(ended.set))
        async with ClientSession(
            connector=TCPConnector(limit=64, keepalive_timeout=60), auto_decompress=False
        ) as session:
            self.session = session
            await self._ministack_answers()
            application = web.Application(client_max_size=16 * 2**20)
            self._control(application)
            application.router.add_route("*", "/{path:.*}", self.front.handle)
            runner = web.AppRunner(application, access_log=None, handle_signals=False)
            await runner.setup()
            site = web.TCPSite(runner, self.settings.host, self.settings.port)
            await site.start()
            port = runner.addresses[0][1]
            print(json.dumps({"endpoint": f"http://{self.settings.host}:{port}"}), flush=True)
            await ended.wait()
            await self._let_go(go_on=False)
            await runner.cleanup()

    def close(self) -> None:
        self.estate.close()
        if self.ministack.stdin:
            self.ministack.stdin.close()
        try:
            self.ministack.wait(10)
        except subprocess.TimeoutExpired:
            self.ministack.kill()

    async def _ministack_answers(self) -> None:
        for _ in range(300):
            if self.ministack.poll() is not None:
                raise RuntimeError(f"ministack ended at start with {self.ministack.returncode}")
            try:
                async with self.session.get(f"{self.front.upstreams['ministack']}/_ministack/health"):
                    return
            except ClientConnectionError:
                await asyncio.sleep(0.1)
        raise RuntimeError("ministack did not answer within 30 s")

    def _control(self, application: web.Application) -> None:
        routes = {
            ("GET", "health"): self._health,
            ("GET", "ca"): self._ca,
            ("GET", "calls"): self._calls,
            ("GET", "rights"): self._rights,
            ("GET", "unsupported"): self._unsupported,
            ("GET", "faults"): self._faults,
            ("POST", "faults"): self._add_fault,
            ("DELETE", "faults"): self._clear_faults,
            ("GET", "held"): self._held,
            ("POST", "held"): self._decide,
            ("PUT", "quotas"): self._quotas,
            ("PUT", "clock"): self._clock,
            ("PUT", "stale"): self._stale,
            ("PUT", "trouble"): self._trouble,
            ("POST", "maintenance"): self._maintenance,
            ("POST", "reset"): self._reset,
        }
        for (method, name), handler in routes.items():
            application.router.add_route(method, f"/_tracetrack/{name}", handler)

    async def _health(self, _: web.Request) -> web.Response:
        alive = self.ministack.poll() is None
        return web.json_response({"status": "ok" if alive else "ministack has ended"}, status=200 if alive else 503)

    async def _ca(self, _: web.Request) -> web.Response:
        return web.Response(body=self.authority.certificate, content_type="application/x-pem-file")

    async def _calls(self, request: web.Request) -> web.Response:
        """All, or those that `?service=&operation=&changing=1` names."""
        asked = request.query
        text = self.front.journal.as_json(
            asked.get("service", ""), asked.get("operation", ""), asked.get("changing") == "1"
        )
        return web.Response(text=text, content_type="application/json")

    async def _rights(self, _: web.Request) -> web.Response:
        return web.Response(text=self.front.rights.as_json(), content_type="application/json")

    async def _unsupported(self, _: web.Request) -> web.Response:
        return web.json_response(self.front.journal.unsupported)

    async def _faults(self, _: web.Request) -> web.Response:
        return web.json_response([vars(rule) for rule in self.front.faults.rules])

    async def _add_fault(self, request: web.Request) -> web.Response:
        try:
            return web.json_response(vars(self.front.faults.add(await request.json())))
        except ValueError as wrong:
            return web.json_response({"error": str(wrong)}, status=400)

    async def _clear_faults(self, _: web.Request) -> web.Response:
        self.front.faults.rules.clear()
        await self._let_go(go_on=True)
        return web.json_response({})

    async def _held(self, request: web.Request) -> web.Response:
        """The calls held, once each of the rules `?rule=` holds one, or after `seconds`."""
        try:
            rules = {int(rule) for rule in request.query.getall("rule", [])}
            seconds = float(request.query.get("seconds", 0))
        except ValueError as wrong:
            return web.json_response({"error": f"rule and seconds: give numbers ({wrong})"}, status=400)
        return _held_answer(await self.front.holds.wait(rules, seconds))

    async def _decide(self, request: web.Request) -> web.Response:
        asked = await request.json()
        then, ids = asked.get("then"), asked.get("calls")
        if then not in ("release", "drop"):
            return web.json_response({"error": f"then: {then!r} is neither release nor drop"}, status=400)
        if ids is None:
            self.front.faults.end_holds()
        return _held_answer(await self.front.holds.decide(ids, then == "release"))

    async def _let_go(self, go_on: bool) -> None:
        self.front.faults.end_holds()
        await self.front.holds.decide(None, go_on)

    async def _quotas(self, request: web.Request) -> web.Response:
        asked = await request.json()
        self.front.quotas.set(bool(asked.get("enabled")), asked.get("limits", {}))
        return web.json_response({"enabled": self.front.quotas.enabled})

    async def _clock(self, request: web.Request) -> web.Response:
        try:
            asked = await request.json()
            self.estate.tick(asked, asked.pop("running", None))
        except ValueError as wrong:
            return web.json_response({"error": str(wrong)}, status=400)
        return web.json_response({})

    async def _stale(self, request: web.Request) -> web.Response:
        try:
            self.estate.views.set(await request.json())
        except ValueError as wrong:
            return web.json_response({"error": str(wrong)}, status=400)
        return web.json_response({})

    async def _trouble(self, request: web.Request) -> web.Response:
        self.estate.troubles.update(await request.json())
        return web.json_response({})

    async def _maintenance(self, request: web.Request) -> web.Response:
        """Open the maintenance window of one object of a service, or of all."""
        asked = await request.json()
        window = self.estate.windows.get(asked.get("service"))
        if window is None:
            known = ", ".join(self.estate.windows)
            return web.json_response({"error": f"maintenance.service: {asked.get('service')!r}: {known}"}, status=400)
        try:
            due = await asyncio.to_thread(window, asked.get("identifier"), bool(asked.get("minor_versions")))
        except ValueError as wrong:
            return web.json_response({"error": str(wrong)}, status=400)
        return web.json_response(due)

    async def _reset(self, _: web.Request) -> web.Response:
        """Back to an account with nothing in it: no resources, faults, calls or quotas."""
        self.front.faults.rules.clear()
        await self._let_go(go_on=False)
        self.front.quotas.set(self.settings.quotas, {})
        await asyncio.to_thread(self.estate.reset)
        async with self.session.post(f"{self.front.upstreams['ministack']}/_ministack/reset") as answer:
            answer.raise_for_status()
        self.front.journal.reset()
        return web.json_response({})


def _held_answer(calls: list[HeldCall]) -> web.Response:
    return web.json_response([call.shown() for call in calls])


def main() -> None:
    warnings.filterwarnings("ignore", module="moto")
    settings = parse()
    with tempfile.TemporaryDirectory(prefix="tracetrack-aws-") as directory:
        Path(directory).chmod(0o755)
        server = Server(settings, Path(directory))
        try:
            asyncio.run(server.serve())
        finally:
            server.close()


if __name__ == "__main__":
    main()
