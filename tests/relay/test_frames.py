import msgspec
import pytest

from relay.frames import pack
from wire.codec import encode
from wire.errors import WireError
from wire.limits import MAX_FRAME_BYTES
from wire.pushes import Ended, EndReason


@pytest.mark.parametrize(
    ("size", "head"),
    [
        (100, bytes([0x82, 100])),
        (125, bytes([0x82, 125])),
        (126, bytes([0x82, 126]) + (126).to_bytes(2, "big")),
        (65535, bytes([0x82, 126]) + (65535).to_bytes(2, "big")),
        (65536, bytes([0x82, 127]) + (65536).to_bytes(8, "big")),
        (MAX_FRAME_BYTES, bytes([0x82, 127]) + MAX_FRAME_BYTES.to_bytes(8, "big")),
    ],
)
def test_the_length_takes_its_shortest_form(size: int, head: bytes) -> None:
    fits = (size - extra for extra in range(10, 40))
    frames = (Ended(EndReason.KICKED, text="x" * length) for length in fits)
    frame = next(frame for frame in frames if len(msgspec.msgpack.encode(frame)) == size)
    data = encode(frame)
    assert len(data) == size
    assert pack(frame) == head + data


def test_more_than_a_frame_is_refused() -> None:
    with pytest.raises(WireError) as refused:
        pack(Ended(EndReason.KICKED, text="x" * MAX_FRAME_BYTES))
    assert refused.value.code == "too_large"
