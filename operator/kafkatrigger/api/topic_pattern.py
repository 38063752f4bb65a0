"""`spec.source.topicPattern`: the topics whose whole name it matches. Pure.

It is read by brokers (RE2), by the client under the classic protocol (POSIX) and here, so it has only what means the same to
all of them. Here it is matched without going back, place by place: the operator does it for whoever may write a trigger, and
`(a+)+` must not keep it busy.
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache, partial

_ATOM = r"[a-zA-Z0-9_.-]|\\[.]|\[\^?[a-zA-Z0-9_.-]+\]"
_REPEAT = r"[*+?]|\{[0-9]{1,2}(?:,[0-9]{0,2})?\}"

GRAMMAR = rf"^(?:[(|]|(?:{_ATOM})(?:{_REPEAT})?|\)[*+?]?)+$"
"""What a pattern is made of; that its parentheses and ranges are right shows when it is compiled."""

SENTENCE = (
    "source.topicPattern is no pattern for names of topics: write letters, digits, . _ - \\. [a-z] [^a-z] ( | ) and the "
    "repetitions * + ? {2} {2,} {2,3}, these last ones not behind a parenthesis; it always matches whole names, without ^ and $"
)

_TOKEN = re.compile(rf"(?P<atom>{_ATOM})|(?P<repeat>{_REPEAT})|(?P<sign>[()|])")
_ANY = 250
"""More than a name has characters."""

Places = frozenset[int]
Step = Callable[[str, Places], Places]
"""From where in a name a match may begin to where it may end."""


def is_pattern(text: str) -> bool:
    """Whether it can be used."""
    try:
        return bool(re.fullmatch(GRAMMAR, text) and re.compile(text))
    except re.error:
        return False


def matching(pattern: str, topics: Iterable[str]) -> list[str]:
    """The topics that the pattern means. Kafka's own, whose names begin with two underscores, it never does."""
    step = _compiled(pattern)
    return [name for name in topics if not name.startswith("__") and len(name) in step(name, frozenset((0,)))]


@lru_cache(maxsize=1000)
def _compiled(pattern: str) -> Step:
    tokens = [(found.lastgroup or "", found[0]) for found in _TOKEN.finditer(pattern)]
    return _alternatives(tokens)


def _alternatives(tokens: list[tuple[str, str]]) -> Step:
    """Takes tokens up to the end, or to the parenthesis that closes what it reads."""
    branches: list[list[Step]] = [[]]
    while tokens and tokens[0][1] != ")":
        kind, text = tokens.pop(0)
        if kind == "repeat":
            branches[-1].append(_repeated(branches[-1].pop(), text))
        elif kind == "atom":
            branches[-1].append(partial(_one, re.compile(text)))
        elif text == "|":
            branches.append([])
        else:
            branches[-1].append(_alternatives(tokens))
            tokens.pop(0)
    return partial(_either, [partial(_sequence, steps) for steps in branches])


def _one(character: re.Pattern[str], name: str, places: Places) -> Places:
    return frozenset(at + 1 for at in places if at < len(name) and character.match(name[at]))


def _sequence(steps: list[Step], name: str, places: Places) -> Places:
    for step in steps:
        places = step(name, places)
    return places


def _either(steps: list[Step], name: str, places: Places) -> Places:
    return frozenset[int]().union(*(step(name, places) for step in steps))


def _repeated(step: Step, text: str) -> Step:
    if text in "*+?":
        least, most = {"*": (0, _ANY), "+": (1, _ANY), "?": (0, 1)}[text]
    else:
        low, comma, high = text.strip("{}").partition(",")
        least, most = int(low), int(high or (_ANY if comma else low))
    return partial(_between, step, least, most)


def _between(step: Step, least: int, most: int, name: str, places: Places) -> Places:
    for _ in range(least):
        places = step(name, places)
    found = fresh = places
    for _ in range(most - least):
        fresh = step(name, fresh) - found
        if not fresh:
            break
        found |= fresh
    return found
