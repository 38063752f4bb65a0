"""What an error of a write says: is it the record's fault, or its topic's. Pure."""

from collections.abc import Sequence

from confluent_kafka import KafkaError

from kafkatrigger.consumer.output import Output

Failure = tuple[Output, KafkaError]

TOO_LARGE = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})

_OWN_FAULT = TOO_LARGE | {
    KafkaError.INVALID_MSG,
    KafkaError.INVALID_RECORD,
    KafkaError._INVALID_DIFFERENT_RECORD,
    KafkaError.INVALID_TIMESTAMP,
    KafkaError._INVALID_ARG,
}
"""Errors that a record causes, if it was written alone; else it or a neighbour of its batch."""

_OF_TOPICS = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError.POLICY_VIOLATION,
        KafkaError.NOT_ENOUGH_REPLICAS,
        KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        KafkaError._MSG_TIMED_OUT,
        KafkaError._TIMED_OUT,
    }
)
"""Errors of a transaction, which names no record, that are of one of its topics."""

_OF_MEMBERS = frozenset(
    {
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError.STALE_MEMBER_EPOCH,
        KafkaError.REBALANCE_IN_PROGRESS,
    }
)
"""Errors of a transaction that have nothing to do with what is in it."""

_CONSEQUENCES = frozenset({KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT, KafkaError._STATE})
"""What the records of a transaction report that failed for another reason."""

_MENDS = {
    KafkaError.UNKNOWN_TOPIC_OR_PART: "create it",
    KafkaError._UNKNOWN_TOPIC: "create it",
    KafkaError._UNKNOWN_PARTITION: "create it with partitions",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "let the trigger's user write to it",
    KafkaError.NOT_ENOUGH_REPLICAS: "see to its replicas and min.insync.replicas",
    KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND: "see to its replicas and min.insync.replicas",
    KafkaError._TIMED_OUT: "see that it exists, and to its brokers, replicas and min.insync.replicas",
    KafkaError._MSG_TIMED_OUT: "see that it exists, and to its brokers, replicas and min.insync.replicas",
}


def is_own_fault(output: Output, error: KafkaError) -> bool:
    """Whether the record is to blame, or a neighbour of its batch, and not the topic."""
    if error.code() == KafkaError._UNKNOWN_PARTITION:
        return output.target >= 0  # the function asked for it
    return error.code() in _OWN_FAULT


def is_of_topic(error: KafkaError) -> bool:
    """Whether an error that names no record is of a topic."""
    return error.code() in _OF_TOPICS


def is_of_member(error: KafkaError) -> bool:
    """Whether a transaction failed because the group had moved on."""
    return error.code() in _OF_MEMBERS


def is_consequence(error: KafkaError) -> bool:
    """Whether it says nothing but that something else failed."""
    return error.code() in _CONSEQUENCES


def sentence(topic: str, error: KafkaError) -> str:
    """What is wrong with the topic, and what to do."""
    mend = _MENDS.get(error.code(), "see to it")
    return f"the topic {topic} takes no records ({error.str()}): {mend}; what is to be written to it waits"


def split(group: Sequence[Output], suspects: Sequence[Output]) -> list[list[Output]]:
    """The group in parts to be written one after another, in their order, so that each attempt says more than the last.

    What stands before and behind all suspects is innocent; where that is nothing the group is halved. A message is not.
    """
    blamed = set(map(id, suspects))
    places = [index for index, output in enumerate(group) if id(output) in blamed]
    first, end = (_start(group, places[0]), _end(group, places[-1] + 1)) if places else (0, len(group))
    if (first, end) == (0, len(group)):
        middle = len(group) // 2
        # The records of a message stay together.
        first = next((each for each in (_start(group, middle), _end(group, middle)) if 0 < each < end), end)
    parts = [list(group[:first]), list(group[first:end]), list(group[end:])]
    return [part for part in parts if part]


def _start(group: Sequence[Output], index: int) -> int:
    """Where the records of the message at the index begin."""
    while 0 < index < len(group) and group[index].source is group[index - 1].source:
        index -= 1
    return index


def _end(group: Sequence[Output], index: int) -> int:
    """Where the records of the message before the index end."""
    while 0 < index < len(group) and group[index].source is group[index - 1].source:
        index += 1
    return index
