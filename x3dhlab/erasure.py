"""An erasure code: data as numbered chunks, of which any sufficient subset gives the data back.

The ML-KEM Braid cuts what it sends into chunks of 32 bytes, by a Reed-Solomon code over GF(2^16):
65,536 different chunks. Here the library `zfec` works over GF(2^8): 256 different chunks, after
which the numbers start again. Both need exactly as many chunks as the data has blocks of 32 bytes,
whichever they are. The first chunks are the blocks themselves; the bytes of the others differ from
the specification's. A chunk cannot be checked alone: one false chunk gives false data.
"""

import functools
from collections.abc import Mapping, Sequence

import zfec

from x3dhlab.errors import InvalidField, WrongLength
from x3dhlab.primitives import check_bytes, concat, split

CHUNK_LENGTH = 32  # bytes
MOST_CHUNKS = 256  # the elements of GF(2^8)


def chunks_needed(length: int) -> int:
    """How many different chunks give data of `length` bytes back."""
    return -(-length // CHUNK_LENGTH)


def blocks_of(data: bytes) -> tuple[bytes, ...]:
    """ML-KEM Braid §2, Encode: the 32-byte blocks of `data`, its length a multiple of 32."""
    check_bytes(data, "data")
    if not data or len(data) % CHUNK_LENGTH:
        raise WrongLength("the erasure code cuts whole blocks of 32 bytes", got=len(data))
    return split(data, *[CHUNK_LENGTH] * chunks_needed(len(data)))


def chunk(blocks: Sequence[bytes], index: int) -> bytes:
    """ML-KEM Braid §2, NextChunk: chunk number `index` (0 to 255) of these blocks, 32 bytes."""
    check_index(index)
    (encoded,) = zfec_for(zfec.Encoder, len(blocks)).encode(blocks, [index])
    return encoded


def join(chunks: Mapping[int, bytes], length: int) -> bytes:
    """ML-KEM Braid §2, DecodedMessage: `length` bytes from chunks by number, in any order.

    Raises `WrongLength` when there are fewer than `chunks_needed(length)`.
    """
    needed = chunks_needed(length)
    if len(chunks) < needed:
        raise WrongLength("too few chunks", expected=needed, got=len(chunks))
    indices = list(chunks)[:needed]
    for index in indices:
        check_chunk(index, chunks[index])
    decoder = zfec_for(zfec.Decoder, needed)
    return concat(*decoder.decode([chunks[index] for index in indices], indices))


def check_index(index: int) -> None:
    """Raise `InvalidField` unless the code has a chunk of this number: `zfec` would crash."""
    if type(index) is not int or not 0 <= index < MOST_CHUNKS:
        raise InvalidField(f"a chunk's number is below {MOST_CHUNKS}", field="index")


def check_chunk(index: int, value: bytes) -> None:
    """Raise `Malformed` unless this can be a chunk with its number."""
    check_index(index)
    check_bytes(value, "chunk", CHUNK_LENGTH)


@functools.lru_cache(maxsize=16)
def zfec_for(kind: type, needed: int):
    """The library's encoder or decoder: any `needed` of 256 chunks."""
    return kind(needed, MOST_CHUNKS)
