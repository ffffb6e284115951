"""Finds the keys that a list of pre-shared keys names: the application's, and those of past epochs.

Never makes up a key: without one of them there is no psk_secret. RFC 9420, sections 8.4 and 8.6.
"""

from collections.abc import Iterable, Mapping, Sequence

from crypto.errors import PeerError
from crypto.mls.group_state import GroupState
from crypto.mls.psk import ExternalPskId, PskId, ResumptionPskId, psk_secret
from crypto.mls.suite import Suite


def combined_psks(
    suite: Suite,
    wanted: Iterable[PskId],
    psks: Mapping[bytes, bytes],
    *,
    states: Sequence[GroupState] = (),
) -> bytes:
    """The psk_secret of these identifiers: KDF.Nh bytes of `suite`.

    `psks` are the external keys by id; resumption keys are looked for in `states`, in their order.
    Raises PeerError("VAL-12.4.2-3") when a key is missing.
    """

    def find(psk: PskId) -> bytes:
        found = psks.get(psk.psk_id) if isinstance(psk, ExternalPskId) else _resumed(psk, states)
        # "Verify that all PreSharedKey proposals in the proposals vector are available" (12.4.2)
        if found is None:
            raise PeerError("VAL-12.4.2-3", "a pre-shared key is not available")
        return found

    return psk_secret(suite, [(psk, find(psk)) for psk in wanted])


def state_of_psk(psk: ResumptionPskId, states: Sequence[GroupState]) -> GroupState | None:
    """The first of these states that has the resumption key, or None."""
    return next(
        (
            state
            for state in states
            if state.context.group_id == psk.group_id
            and state.resumption_psk(psk.epoch) is not None
        ),
        None,
    )


def _resumed(psk: ResumptionPskId, states: Sequence[GroupState]) -> bytes | None:
    state = state_of_psk(psk, states)
    return None if state is None else state.resumption_psk(psk.epoch)
