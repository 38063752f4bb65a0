"""Moving the offsets of a group: where to, whether nobody is in it, the move itself, and how far the group has come since.

`python -m kafkatrigger.kafka.replay` answers one `api.moves.Wish` from standard input on standard output, and moves
nothing. The command line runs it where the brokers can be reached and their credentials are: in a consumer's container.
"""

import subprocess
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import Future
from typing import Any, NamedTuple

import msgspec
from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import OffsetSpec

from kafkatrigger.api import commit_metadata
from kafkatrigger.api.consumer_config import ConsumerConfig
from kafkatrigger.api.moves import (
    MOST_PARTITIONS,
    Answer,
    Apply,
    Check,
    Errand,
    Follow,
    Move,
    Resolve,
    Wish,
    metadata,
)
from kafkatrigger.api.start_policy import epoch_milliseconds
from kafkatrigger.api.topic_pattern import matching
from kafkatrigger.kafka import group_members, group_offsets, log_offsets
from kafkatrigger.kafka.admin import Admin
from kafkatrigger.kafka.brokers import group_of
from kafkatrigger.kafka.client import connection
from kafkatrigger.kafka.log_offsets import Place
from kafkatrigger.kafka.one_request import serve
from kafkatrigger.kafka.topics import topic_id

TIMEOUT = 5.0
"""Seconds for each question to the brokers."""

_ABSENT = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_EXCEPTION)
_NEW_NONCE = "then give spec.replay another nonce"


class ReplayRefusedError(Exception):
    """The wish can never be met as it is; the message says why and what to do."""


class NotYetError(Exception):
    """Not now; the message says what is waited for."""


class Topic(NamedTuple):
    """A topic that there is."""

    partitions: frozenset[int]
    id: str


class Log(NamedTuple):
    """The edges of a partition's log, and the first offset of the time that is asked for, where one is."""

    low: int
    end: int
    at: int | None = None


def answer(admin: Admin, errand: Errand) -> Answer:
    """Does the errand; what brokers refuse, or do not answer, is an answer as well."""
    try:
        return _answer(admin, errand)
    except ReplayRefusedError as error:
        return Answer(refused=str(error))
    except NotYetError as error:
        return Answer(waiting=str(error))
    except KafkaException as error:
        return Answer(waiting=f"the brokers do not do it now: {error.args[0].str()}")


def _answer(admin: Admin, errand: Errand) -> Answer:
    group = errand.group.name
    if isinstance(errand, Check):
        return Answer(moves=plan(admin, group, errand.wish, is_left=False))
    if isinstance(errand, Follow):
        return Answer(moves=_followed(admin, group, errand.moves))
    _refuse_while_inhabited(admin, group)
    if isinstance(errand, Resolve):
        return Answer(moves=plan(admin, group, errand.wish, is_left=True))
    if isinstance(errand, Apply):
        _alter(admin, group, errand)
        return Answer(moved=True)
    return Answer()


def plan(admin: Admin, group: str, wish: Wish, *, is_left: bool) -> tuple[Move, ...]:
    """Where the wish moves each partition, in order; ReplayRefusedError where it cannot move every one.

    `is_left`: nobody is in the group, so that offsets of transactions that are not over are waited for.
    """
    wish = _with_topics(admin, wish)
    topics = _topics(admin, sorted({*(wish.topics if wish.start else ()), *(topic for topic, _, _ in wish.partitions)}))
    wanted = chosen(wish, topics)
    found = _logs(admin, wanted, wish.start)
    starts = {place: target(place, offset, wish.start, found[place]) for place, offset in wanted.items()}
    at = group_offsets.committed(admin, group, wanted, is_stable=is_left)
    return tuple(
        Move(*place, start, found[place].end, *_kept(at[place]), topics[place[0]].id, _parked(at[place]))
        for place, start in starts.items()
    )


def _with_topics(admin: Admin, wish: Wish) -> Wish:
    """What the pattern means now."""
    if not (wish.pattern and wish.start):
        return wish
    return msgspec.structs.replace(
        wish, topics=tuple(matching(wish.pattern, admin.list_topics(timeout=TIMEOUT).topics))
    )


def chosen(wish: Wish, topics: Mapping[str, Topic]) -> dict[Place, int | None]:
    """The partitions that the wish moves, in order, with the offsets that it names. Pure."""
    named = {(topic, partition): offset for topic, partition, offset in wish.partitions}
    if absent := sorted((topic, number) for topic, number in named if number not in topics[topic].partitions):
        where = ", ".join(f"{number} of {topic}" for topic, number in absent[:10])
        raise ReplayRefusedError(f"there is no partition {where}: correct spec.replay.partitions, {_NEW_NONCE}")
    every: list[Place] = (
        [(topic, number) for topic in wish.topics for number in topics[topic].partitions] if wish.start else []
    )
    wanted = {place: named.get(place) for place in sorted({*every, *named})}
    if not wanted:
        raise ReplayRefusedError(f"there is no partition to move: name some in spec.replay.partitions, {_NEW_NONCE}")
    if len(wanted) > MOST_PARTITIONS:
        raise ReplayRefusedError(
            f"these are {len(wanted)} partitions, and one replay moves at most {MOST_PARTITIONS}: "
            "name some of them in spec.replay.partitions, without from, and the others in further replays"
        )
    return wanted


def target(place: Place, offset: int | None, start: str, log: Log) -> int:
    """Where a partition goes. Pure."""
    if offset is None:
        return {"earliest": log.low, "latest": log.end}.get(start, log.end if log.at is None else log.at)
    if not log.low <= offset <= log.end:
        topic, number = place
        raise ReplayRefusedError(
            f"the log of partition {number} of {topic} goes from {log.low} to {log.end}, and has no offset {offset}: "
            f"correct spec.replay.partitions, {_NEW_NONCE}"
        )
    return offset


def _topics(admin: Admin, names: list[str]) -> dict[str, Topic]:
    if not names:
        return {}
    answers = admin.describe_topics(TopicCollection(names), request_timeout=TIMEOUT)
    return {name: _topic(name, answers[name]) for name in names}


def _topic(name: str, answered: "Future[Any]") -> Topic:
    try:
        found = answered.result()
    except KafkaException as error:
        if error.args[0].code() in _ABSENT:
            raise ReplayRefusedError(
                f"there is no topic {name}: create it or correct spec.source.topics, {_NEW_NONCE}"
            ) from None
        raise
    return Topic(frozenset(each.id for each in found.partitions), topic_id(found).hex())


def _logs(admin: Admin, places: Collection[Place], start: str) -> dict[Place, Log]:
    ranges = log_offsets.ranges(admin, places, TIMEOUT)
    ats: dict[Place, int] = {}
    if start not in ("", "earliest", "latest"):
        since = OffsetSpec.for_timestamp(epoch_milliseconds(start))
        ats = log_offsets.ask(admin, dict.fromkeys(places, since), TIMEOUT)
    return {place: Log(*ranges[place], ats[place] if ats.get(place, -1) >= 0 else None) for place in places}


def _kept(at: TopicPartition) -> tuple[int | None]:
    return (at.offset if at.offset >= 0 else None,)


def _parked(at: TopicPartition) -> tuple[int, ...]:
    found = commit_metadata.load(at.metadata) if at.offset >= 0 else None
    return tuple(sorted(at.offset + distance for _, distance, *_ in found.parked)) if found else ()


def _refuse_while_inhabited(admin: Admin, group: str) -> None:
    try:
        members = group_members.inquire(admin.settings, group).members
    except (subprocess.SubprocessError, msgspec.DecodeError):
        raise NotYetError(f"the brokers do not say who is in the group {group}, which has to be empty") from None
    if members:
        raise NotYetError(
            f"the group {group} has {len(members)} members ({group_members.names(members)}): it has to be empty; one that "
            "was killed stays in it for up to its session timeout, and one that is not of this trigger has to be ended"
        )


def _alter(admin: Admin, group: str, errand: Apply) -> None:
    _refuse_another_log(_topics(admin, sorted({move.topic for move in errand.moves})), errand.moves)
    wanted = [
        TopicPartition(move.topic, move.partition, move.start, commit_metadata.dump(metadata(errand.reason, move)))
        for move in errand.moves
    ]
    answers = admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, wanted)], request_timeout=TIMEOUT)
    for each in answers[group].result().topic_partitions:
        if each.error is not None:
            raise KafkaException(each.error)


def _refuse_another_log(topics: Mapping[str, Topic], moves: Iterable[Move]) -> None:
    """Offsets of a log say nothing about another of the same name."""
    if other := sorted({move.topic for move in moves if move.topic_id and move.topic_id != topics[move.topic].id}):
        raise ReplayRefusedError(
            f"{', '.join(other)} is not the topic that it was when the offsets were looked up: it was made anew, or these are "
            "the brokers of another cluster. Give spec.replay another nonce"
        )


def _followed(admin: Admin, group: str, moves: tuple[Move, ...]) -> tuple[Move, ...]:
    """Where the group is now; the log may have become shorter than it was."""
    places = [(move.topic, move.partition) for move in moves]
    ends = log_offsets.ask(admin, dict.fromkeys(places, OffsetSpec.latest()), TIMEOUT)
    at = group_offsets.committed(admin, group, places, is_stable=False)
    return tuple(
        msgspec.structs.replace(move, end=min(move.end, ends[place]), committed=_kept(at[place])[0])
        for move, place in zip(moves, places, strict=True)
    )


def previewed(config: ConsumerConfig, wish: Wish) -> Answer:
    """Where the wish would move each partition of the trigger with this configuration."""
    admin = Admin(connection(config.bootstrap_servers, config.connection_options))
    everything = msgspec.structs.replace(wish, topics=tuple(config.topics), pattern=config.topic_pattern)
    return answer(admin, Check(group_of(config), everything))


def main() -> None:
    """One wish from standard input; where it would move each partition, to standard output."""
    asks = "wish", msgspec.json.Decoder(Wish)
    serve("kafkatrigger.kafka.replay", main.__doc__, asks, previewed, lambda why: Answer(refused=why))


if __name__ == "__main__":
    main()
