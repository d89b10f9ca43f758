"""Sessions: two signed cookies, checked without asking anyone.

`session` tells who, since when and last seen; `parent` holds the current parent bag, on its own so that the answer to
an older request can never put back an earlier parent. Both are bound to the session's id. Any replica can read them,
and they go on working while Redis is away; what Redis adds is the list of sessions ended early.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable

import msgspec
from itsdangerous import BadSignature, Signer
from starlette.requests import Request
from starlette.responses import Response

ABSOLUTE = 3600
IDLE = 1800
_REFRESH_AFTER = 60
_CACHE_SIZE = 20_000


class Session(msgspec.Struct, frozen=True):
    """Times are Unix seconds. `user_id` is None before log-in."""

    id: str
    user_id: int | None
    username: str
    role: str
    began: float
    seen: float

    @property
    def ends(self) -> float:
        return self.began + ABSOLUTE

    def alive(self, now: float) -> bool:
        return now < self.ends and now < self.seen + IDLE


class _Parent(msgspec.Struct, frozen=True):
    session: str
    code: str


class Sessions:
    """Makes and reads the cookies. `secure` is auto (as the request came), always or never."""

    def __init__(self, secret: bytes, is_ended: Callable[[str], bool], secure: str = "auto") -> None:
        self._session = Signer(secret, salt=b"tracetrack.session", digest_method=hashlib.sha256)
        self._parent = Signer(secret, salt=b"tracetrack.parent", digest_method=hashlib.sha256)
        self._csrf_key = hmac.new(secret, b"tracetrack.csrf", hashlib.sha256).digest()
        self._is_ended = is_ended
        self._secure = secure
        self._seen: dict[str, Session] = {}

    def create(self, user_id: int | None = None, username: str = "", role: str = "") -> Session:
        now = time.time()
        return Session(secrets.token_urlsafe(18), user_id, username, role, now, now)

    def read(self, request: Request) -> Session | None:
        """The request's session if it is whole, alive and not ended."""
        cookie = request.cookies.get("session")
        if not cookie:
            return None
        session = self._seen.get(cookie)
        if session is None:
            try:
                session = msgspec.json.decode(_unpack(self._session, cookie), type=Session)
            except (BadSignature, msgspec.DecodeError, ValueError):
                return None
            if len(self._seen) >= _CACHE_SIZE:
                self._seen.clear()
            self._seen[cookie] = session
        if not session.alive(time.time()) or self._is_ended(session.id):
            return None
        return session

    def parent(self, request: Request, session: Session) -> str | None:
        """The session's current parent bag."""
        cookie = request.cookies.get("parent")
        if not cookie:
            return None
        try:
            parent = msgspec.json.decode(_unpack(self._parent, cookie), type=_Parent)
        except (BadSignature, msgspec.DecodeError, ValueError):
            return None
        return parent.code if parent.session == session.id else None

    def set(self, request: Request, response: Response, session: Session) -> None:
        self._set(request, response, "session", self.seal(session))

    def seal(self, session: Session) -> str:
        """The value of the session's cookie."""
        return _pack(self._session, msgspec.json.encode(session))

    def set_parent(self, request: Request, response: Response, session: Session, code: str) -> None:
        self._set(request, response, "parent", _pack(self._parent, msgspec.json.encode(_Parent(session.id, code))))

    def refresh(self, request: Request, response: Response, session: Session) -> None:
        """Put off the idle limit, at most once a minute."""
        now = time.time()
        if now - session.seen > _REFRESH_AFTER:
            self.set(request, response, msgspec.structs.replace(session, seen=now))

    def clear(self, response: Response) -> None:
        response.delete_cookie("session", path="/")
        response.delete_cookie("parent", path="/")

    def csrf_token(self, session: Session) -> str:
        return hmac.new(self._csrf_key, session.id.encode(), hashlib.sha256).hexdigest()

    def csrf_matches(self, session: Session, token: str) -> bool:
        return hmac.compare_digest(self.csrf_token(session).encode(), token.encode())

    def _set(self, request: Request, response: Response, name: str, value: str) -> None:
        secure = self._secure == "always" or (self._secure == "auto" and request.url.scheme == "https")
        response.set_cookie(name, value, max_age=ABSOLUTE, path="/", secure=secure, httponly=True, samesite="lax")


def _pack(signer: Signer, payload: bytes) -> str:
    return signer.sign(base64.urlsafe_b64encode(payload).rstrip(b"=")).decode()


def _unpack(signer: Signer, cookie: str) -> bytes:
    body = signer.unsign(cookie)
    return base64.urlsafe_b64decode(body + b"=" * (-len(body) % 4))
