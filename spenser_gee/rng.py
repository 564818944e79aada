"""Named random streams: every draw depends on the seed, its purpose and its ids, and on nothing else.

So the number of workers, the order in which candidates finish, and interruptions change no draw.
"""

from __future__ import annotations

import hashlib

import numpy as np


def derive_seed(seed: int, purpose: str, *ids: int | str) -> int:
    """A 63-bit seed for (seed, purpose, ids): for generators of other libraries (torch)."""
    text = "\x1f".join([str(seed), purpose, *(str(i) for i in ids)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def stream(seed: int, purpose: str, *ids: int | str) -> np.random.Generator:
    """The numpy generator of (seed, purpose, ids)."""
    return np.random.default_rng(derive_seed(seed, purpose, *ids))
