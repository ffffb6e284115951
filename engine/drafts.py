"""What a person has typed and not sent yet, kept in the account's encrypted store.

Never sends anything: a draft is the face's, and ends with it only when the person says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from engine.context import Store
from storage.client.settings import get_setting, put_setting
from wire.limits import MAX_TEXT_BYTES

_KEY: Final = "drafts"
MAX_DRAFTS: Final = 200  # the oldest beyond are forgotten: nobody has so many thoughts open
_decoder = msgspec.msgpack.Decoder(dict[str, str])


async def load_drafts(store: Store) -> dict[str, str]:
    """Return the drafts by conversation; none where they cannot be read."""
    raw: bytes | None = await store.query(lambda connection: get_setting(connection, _KEY))
    try:
        return _decoder.decode(raw) if raw else {}
    except msgspec.DecodeError:
        return {}


async def keep_drafts(store: Store, drafts: Mapping[str, str]) -> None:
    """Keep these drafts in place of those before; an empty or overlong one is dropped."""
    kept = {name: text for name, text in drafts.items() if 0 < len(text) <= MAX_TEXT_BYTES}
    newest = dict(list(kept.items())[-MAX_DRAFTS:])

    def work(connection: Any) -> None:
        put_setting(connection, _KEY, msgspec.msgpack.encode(newest))

    await store.run(work)
