"""Run the JSON face: lines in, calls on the session one after another, lines out.

Never runs two calls at once: what a script pipes in happens in the order it was written.
"""

from __future__ import annotations

import os
from typing import BinaryIO

from msgspec import structs

from engine.events import Event, event_name, event_params
from engine.session import Session
from ui.input import read_lines
from ui.jsonl.protocol import (
    Call,
    RpcError,
    notification_line,
    parse,
    refused_line,
    result_line,
    rpc_error_line,
)
from wire.errors import WireError


async def run(session: Session, source: BinaryIO, sink: BinaryIO) -> int:
    """Answer requests from `source` on `sink` until it ends; return the exit status."""
    output = _Output(sink)

    def notify(event: Event) -> None:
        output.write(notification_line(event_name(event), event_params(event)))

    unsubscribe = session.subscribe(notify)
    try:
        await session.start(opens_alone=True)
        async for line in read_lines(source):
            if line.strip():
                answer = await _answer(session, line)
                if answer is not None:
                    output.write(answer)
            if output.is_closed:
                break
    finally:
        unsubscribe()
        await session.close()
    return 0


async def _answer(session: Session, line: bytes) -> bytes | None:
    try:
        call = parse(line)
    except RpcError as error:
        return rpc_error_line(error)
    try:
        result = await _perform(session, call)
    except WireError as error:
        return refused_line(call.request_id, error) if call.wants_answer else None
    return result_line(call.request_id, result) if call.wants_answer else None


async def _perform(session: Session, call: Call) -> object:
    return await getattr(session, call.method)(**structs.asdict(call.params))


class _Output:
    """Standard output: whole lines, and silence once the reader is gone."""

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink
        self.is_closed = False

    def write(self, line: bytes) -> None:
        if self.is_closed:
            return
        try:
            self._sink.write(line)
            self._sink.flush()
        except (BrokenPipeError, ValueError):
            self.is_closed = True


def standard_output() -> BinaryIO:
    """Return standard output for our lines alone: what else is printed goes to standard error."""
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return sink
