"""What replicas tell each other through Redis: MessagePack arrays, to which a newer version only adds at the end."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

NO_EVENTS = msgspec.Raw(b"\xc0")
NO_PATCHES: Mapping[str, bytes] = MappingProxyType({})


class Changes(msgspec.Struct, array_like=True):
    """What a writer changed, its messages numbered without gaps. `keys` is None when everything changed.

    `epoch` is the one from which it removed them in Redis; `patches` tell how other values changed, by key; `events`
    are for whoever watches.
    """

    writer: bytes
    number: int
    epoch: int
    keys: list[str] | None
    patches: dict[str, bytes] = {}
    events: msgspec.Raw = NO_EVENTS


class Seen(msgspec.Struct, array_like=True):
    """To a writer: the replica keeps nothing that is older than what this message and all before it told of."""

    replica: bytes
    number: int


encode = msgspec.msgpack.Encoder().encode
decode_changes = msgspec.msgpack.Decoder(Changes).decode
decode_seen = msgspec.msgpack.Decoder(Seen).decode
