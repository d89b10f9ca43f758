"""The old stack: Flask, a session in a signed cookie, SQLAlchemy objects and several queries a scan, under gevent.

`POST /process_child_scan_fast` with `qr_code` and, for a child, `parent_qr`. Run as a program it prints the cookie of a
worker who is logged in.
"""

from __future__ import annotations

import os
import re
import time
from datetime import datetime
from typing import Any

from flask import Flask, jsonify, request, session
from sqlalchemy import ForeignKey, MetaData, String, create_engine, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, scoped_session, sessionmaker

CAPACITY = 30
_PARENT = re.compile(r"(?:SB|M444-)[0-9]{5}")

app = Flask(__name__)
app.secret_key = os.environ.get("SESSION_SECRET", "")


class Base(DeclarativeBase):
    metadata = MetaData(schema="baseline")


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(64))
    role: Mapped[str] = mapped_column(String(20))
    dispatch_area: Mapped[str | None] = mapped_column(String(30))


class Bag(Base):
    __tablename__ = "bag"
    id: Mapped[int] = mapped_column(primary_key=True)
    qr_id: Mapped[str] = mapped_column(String(255))
    type: Mapped[str] = mapped_column(String(10))
    name: Mapped[str | None] = mapped_column(String(100))
    status: Mapped[str] = mapped_column(String(20), default="pending")
    dispatch_area: Mapped[str | None] = mapped_column(String(30))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("baseline.users.id"))
    child_count: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(default=datetime.utcnow)
    updated_at: Mapped[datetime] = mapped_column(default=datetime.utcnow, onupdate=datetime.utcnow)


class Link(Base):
    __tablename__ = "link"
    id: Mapped[int] = mapped_column(primary_key=True)
    parent_bag_id: Mapped[int] = mapped_column(ForeignKey("baseline.bag.id"))
    child_bag_id: Mapped[int] = mapped_column(ForeignKey("baseline.bag.id"))
    created_at: Mapped[datetime] = mapped_column(default=datetime.utcnow)


class Scan(Base):
    __tablename__ = "scan"
    id: Mapped[int] = mapped_column(primary_key=True)
    timestamp: Mapped[datetime] = mapped_column(default=datetime.utcnow)
    parent_bag_id: Mapped[int | None] = mapped_column(ForeignKey("baseline.bag.id"))
    child_bag_id: Mapped[int | None] = mapped_column(ForeignKey("baseline.bag.id"))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("baseline.users.id"))


_url = os.environ.get("DATABASE_URL", "postgresql://").replace("postgresql://", "postgresql+psycopg://", 1)
_engine = create_engine(_url, pool_size=20, max_overflow=20, pool_pre_ping=True, pool_recycle=300)
db = scoped_session(sessionmaker(_engine))


@app.teardown_appcontext
def _part(_: BaseException | None) -> None:
    db.remove()


def _worker() -> User | None:
    if "user_id" not in session or time.time() - session.get("login_time", 0) > 3600:
        return None
    session["last_activity"] = time.time()
    return db.get(User, session["user_id"])


@app.get("/ready")
def ready() -> str:
    db.execute(select(1))
    return "ok"


@app.post("/process_child_scan_fast")
def scan() -> Any:
    user = _worker()
    if user is None:
        return jsonify(success=False, auth_required=True), 401
    code = request.form.get("qr_code", "").strip().upper()
    if _PARENT.fullmatch(code):
        return _parent(user, code)
    parent_code = request.form.get("parent_qr", "") or session.get("current_parent_qr", "")
    parent = db.scalars(select(Bag).where(Bag.qr_id == parent_code, Bag.type == "parent").with_for_update()).first()
    if parent is None:
        return jsonify(success=False, message="No parent bag selected.")
    held = db.scalar(select(func.count()).select_from(Link).where(Link.parent_bag_id == parent.id))
    if held >= CAPACITY:
        return jsonify(success=False, message=f"Maximum {CAPACITY} child bags reached.")
    child = db.scalars(select(Bag).where(Bag.qr_id == code)).first()
    if child is not None:
        link = db.scalars(select(Link).where(Link.child_bag_id == child.id)).first()
        if link is not None:
            return jsonify(success=False, message=f"DUPLICATE: {code} is already linked.")
    else:
        child = Bag(qr_id=code, type="child", user_id=user.id, dispatch_area=parent.dispatch_area)
        db.add(child)
        db.flush()
    db.add(Link(parent_bag_id=parent.id, child_bag_id=child.id))
    db.add(Scan(parent_bag_id=parent.id, child_bag_id=child.id, user_id=user.id))
    parent.child_count = held + 1
    db.commit()
    session["current_parent_qr"] = parent_code
    return jsonify(success=True, child_qr=code, parent_qr=parent_code, child_count=held + 1, message=f"{code} linked.")


def _parent(user: User, code: str) -> Any:
    parent = db.scalars(select(Bag).where(Bag.qr_id == code)).first()
    if parent is None:
        parent = Bag(qr_id=code, type="parent", user_id=user.id, dispatch_area=user.dispatch_area)
        db.add(parent)
        db.flush()
    db.add(Scan(parent_bag_id=parent.id, user_id=user.id))
    db.commit()
    session["current_parent_qr"] = code
    return jsonify(success=True, parent_qr=code, child_count=parent.child_count, message=f"{code} opened.")


if __name__ == "__main__":
    serializer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
    print(serializer.dumps({"user_id": 1, "login_time": time.time(), "last_activity": time.time()}))
