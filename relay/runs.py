"""A device's messages, one after another, as runs that have everything in common but their content.

Never reads what is encrypted: see relay/headers.py for what a message says of itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from relay.headers import PlainForm, read_message
from wire.errors import WireError
from wire.requests import Append


@dataclass(frozen=True, slots=True)
class Run:
    """Messages to one conversation that stand on the same entry; `ids` are their transactions."""

    conversation: bytes
    stands_on: int
    requests: list[Append]
    ids: list[bytes]

    @property
    def size_bytes(self) -> int:
        """What the messages have together."""
        return sum([len(request.message) for request in self.requests])

    def takes(self, conversation: bytes, stands_on: int) -> bool:
        """Whether such a message belongs to the run."""
        return (self.conversation, self.stands_on) == (conversation, stands_on)

    def only(self, kept: Iterable[tuple[Append, bytes]]) -> Run:
        """Return the run with some of its messages."""
        requests, ids = [], []
        for request, transaction_id in kept:
            requests.append(request)
            ids.append(transaction_id)
        return Run(self.conversation, self.stands_on, requests, ids)


class Refused(NamedTuple):
    """A message that is none."""

    request: Append
    error: WireError


def read_runs(requests: Iterable[Append]) -> tuple[list[Run], list[Refused]]:
    """Return the messages that are well formed, in order, and the others with the reasons.

    A message that begins as the one before it is not read anew: that is nearly every one.
    """
    runs: list[Run] = []
    refused: list[Refused] = []
    run: Run | None = None
    form: PlainForm | None = None
    for request in requests:
        message = request.message
        if form is not None and request.conversation == form.conversation and form.fits(message):
            transaction_id = message[form.id_at : form.id_end]
        else:
            try:
                data, form = read_message(message, request.conversation)
            except WireError as error:
                refused.append(Refused(request, error))
                continue
            transaction_id = data.transaction_id
            if run is None or not run.takes(request.conversation, data.stands_on):
                run = Run(request.conversation, data.stands_on, [], [])
                runs.append(run)
        assert run is not None  # a form comes from a message of the run
        run.requests.append(request)
        run.ids.append(transaction_id)
    return runs, refused
