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
from collections.abc import Callable, Sequence

import msgspec
from itsdangerous import BadSignature, Signer
from starlette.requests import Request
from starlette.responses import Response

from tracetrack_app.http.auth.legacycookies import LegacyCookies

ABSOLUTE = 3600
IDLE = 1800
PENDING = 600
_REFRESH_AFTER = 60
_CACHE_SIZE = 20_000


class Session(msgspec.Struct, frozen=True, omit_defaults=True):
    """Times are Unix seconds. `user_id` is None before log-in.

    `epoch` is the account's when it began. `pending` is who has given his password and not yet his one-time code: no
    one is logged in then, for this version and for one that does not know the field.
    """

    id: str
    user_id: int | None
    username: str
    role: str
    began: float
    seen: float
    epoch: int = 0
    pending: int | None = None
    adopted: bool = False


class _Parent(msgspec.Struct, frozen=True):
    session: str
    code: str


class Sessions:
    """Makes and reads the cookies. `secure` is auto (as the request came), always or never.

    `previous` are secrets in use before, whose cookies still count; `legacy` reads the cookies of the existing system.
    """

    def __init__(
        self,
        secret: bytes,
        is_ended: Callable[[str], bool],
        secure: str = "auto",
        *,
        absolute: int = ABSOLUTE,
        idle: int = IDLE,
        previous: Sequence[bytes] = (),
        legacy: LegacyCookies | None = None,
    ) -> None:
        # The signer signs with the last of its keys.
        keys = [*previous, secret]
        self._session = Signer(keys, salt=b"tracetrack.session", digest_method=hashlib.sha256)
        self._parent = Signer(keys, salt=b"tracetrack.parent", digest_method=hashlib.sha256)
        self._csrf_keys = [hmac.new(each, b"tracetrack.csrf", hashlib.sha256).digest() for each in (secret, *previous)]
        self._is_ended = is_ended
        self._secure = secure
        self._absolute = absolute
        self._idle = idle
        self._legacy = legacy
        self._seen: dict[str, Session] = {}

    def create(
        self,
        user_id: int | None = None,
        username: str = "",
        role: str = "",
        *,
        epoch: int = 0,
        pending: int | None = None,
    ) -> Session:
        now = time.time()
        return Session(secrets.token_urlsafe(18), user_id, username, role, now, now, epoch, pending)

    def ends(self, session: Session) -> float:
        """When it ends however much it is used."""
        return session.began + (PENDING if session.pending is not None else self._absolute)

    def remaining(self, session: Session) -> float:
        """Seconds until it ends if it is not used again."""
        return min(self.ends(session), session.seen + self._idle) - time.time()

    def read(self, request: Request) -> Session | None:
        """The request's session if it is whole, alive and not ended."""
        cookie = request.cookies.get("session")
        if not cookie:
            return None
        session = self._seen.get(cookie)
        if session is None:
            session = self._decode(cookie)
            if session is None:
                return None
            if len(self._seen) >= _CACHE_SIZE:
                self._seen.clear()
            self._seen[cookie] = session
        if self.remaining(session) <= 0 or self._is_ended(session.id):
            return None
        return session

    def _decode(self, cookie: str) -> Session | None:
        try:
            return msgspec.json.decode(_unpack(self._session, cookie), type=Session)
        except (BadSignature, msgspec.DecodeError, ValueError):
            pass
        old = self._legacy.read(cookie) if self._legacy is not None else None
        if old is None:
            return None
        return Session(old.id, old.user_id, "", "", old.began, old.seen, adopted=True)

    def parent(self, request: Request, session: Session) -> str | None:
        """The session's current parent bag."""
        cookie = request.cookies.get("parent")
        if not cookie:
            return self._legacy.parent(request.cookies.get("session", "")) if self._legacy and session.adopted else None
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
        """Put off the idle limit, at most once a minute; give one who came with an old cookie ours."""
        now = time.time()
        if session.adopted:
            parent = self.parent(request, session)
            if parent and not any(b"parent=" in value for name, value in response.raw_headers if name == b"set-cookie"):
                self.set_parent(request, response, session, parent)
        if session.adopted or now - session.seen > _REFRESH_AFTER:
            self.set(request, response, msgspec.structs.replace(session, seen=now, adopted=False))

    def clear(self, response: Response) -> None:
        response.delete_cookie("session", path="/")
        response.delete_cookie("parent", path="/")

    def csrf_token(self, session: Session) -> str:
        return self._csrf(self._csrf_keys[0], session)

    def csrf_matches(self, session: Session, token: str) -> bool:
        given = token.encode()
        return any([hmac.compare_digest(self._csrf(key, session).encode(), given) for key in self._csrf_keys])

    def _csrf(self, key: bytes, session: Session) -> str:
        return hmac.new(key, session.id.encode(), hashlib.sha256).hexdigest()

    def _set(self, request: Request, response: Response, name: str, value: str) -> None:
        secure = self._secure == "always" or (self._secure == "auto" and request.url.scheme == "https")
        response.set_cookie(name, value, max_age=self._absolute, path="/", secure=secure, httponly=True, samesite="lax")


def _pack(signer: Signer, payload: bytes) -> str:
    return signer.sign(base64.urlsafe_b64encode(payload).rstrip(b"=")).decode()


def _unpack(signer: Signer, cookie: str) -> bytes:
    body = signer.unsign(cookie)
    return base64.urlsafe_b64decode(body + b"=" * (-len(body) % 4))
