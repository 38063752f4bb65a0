"""What the messages of a benchmark are: pure, and the same in every run.

A value is a JSON object with its number `n` in the order of the source, `at` (0 here, the time of production where
latency is measured), a `value` that a filter can ask for, and a note that fills it up to its size.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal
from uuid import UUID

import orjson

from benchmarks.programs import transformations

KEYS = 1000
ZIPF_EXPONENT = 1.1
HOT_SHARE = 0.5
SEED = 7

Keys = Literal["uniform", "zipf", "hot"]


@dataclass(frozen=True)
class Load:
    """So many messages of so many bytes: `uniform` goes round the keys, `zipf` is skewed with exponent 1.1, of `hot` every
    other message has the same key and the rest go round.
    """

    messages: int
    size: int = 150
    keys: Keys = "uniform"
    requested: str = ""
    """Messages are requests for this transformation, of whatever size; the job's id says their number."""


def records(load: Load) -> Iterator[dict[str, bytes]]:
    """Key and value of each message."""
    if load.requested:
        yield from _requests(load)
        return
    note = b"x" * load.size
    for n, key in enumerate(_keys(load)):
        head = b'{"n":%d,"at":0.0,"value":%d.5,"note":"' % (n, n % 20)
        yield {"key": key, "value": head + note[: load.size - len(head) - 2] + b'"}'}


def _requests(load: Load) -> Iterator[dict[str, bytes]]:
    rest = transformations.request(load.requested, transformations.INPUTS[load.requested]).removeprefix(b"{")
    for n, key in enumerate(_keys(load)):
        yield {"key": key, "value": b'{"job_id":"%s",%s' % (str(UUID(int=n)).encode(), rest)}


def number(response: bytes) -> int:
    """Of the message that was answered."""
    said = orjson.loads(response)
    return said["n"] if "n" in said else UUID(said["job_id"]).int


def _keys(load: Load) -> Iterator[bytes]:
    names = [b"%d" % number for number in range(KEYS)]
    if load.keys == "uniform":
        return (names[n % KEYS] for n in range(load.messages))
    chance = random.Random(SEED)
    if load.keys == "zipf":
        weights = list(accumulate((rank + 1) ** -ZIPF_EXPONENT for rank in range(KEYS)))
        return iter(chance.choices(names, cum_weights=weights, k=load.messages))
    return (b"hot" if chance.random() < HOT_SHARE else names[n % KEYS] for n in range(load.messages))


def passes_filter(n: int) -> bool:
    """Whether the value of message n is above 10, which `cases.FILTER` asks for."""
    return n % 20 >= 10
