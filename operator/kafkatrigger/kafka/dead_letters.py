"""Dead letters, for people: list, show, redrive.

`python -m kafkatrigger.kafka.dead_letters` answers one request of `api.dead_letters` from standard input on standard
output. The command line runs it where the brokers can be reached and their credentials are: in a consumer's container.
"""

import heapq
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing

import msgspec
from confluent_kafka import KafkaException, Message

from kafkatrigger.api.consumer_config import ConsumerConfig
from kafkatrigger.api.dead_letters import (
    LONGEST_KEY,
    LONGEST_LIST,
    Answer,
    Letter,
    ListLetters,
    Request,
    ShowLetter,
    Target,
    WholeLetter,
    means,
    target_of,
)
from kafkatrigger.api.selection import parse_id
from kafkatrigger.kafka.client import connection
from kafkatrigger.kafka.copies import RedriveError
from kafkatrigger.kafka.letters import headers_of, letter
from kafkatrigger.kafka.one_request import serve
from kafkatrigger.kafka.reading import Reader, ReadError
from kafkatrigger.kafka.redrive import marks, redrive
from kafkatrigger.kafka.reorder import Report


class DeadLetterError(Exception):
    """The request cannot be met; the message says why and what to do."""


def answer(target: Target, request: Request, report: Report) -> Answer:
    """Does what is asked for; a failure is an answer as well."""
    try:
        with closing(Reader(connection(target.servers, target.options))) as reader:
            if not reader.partitions(target.topic):
                raise DeadLetterError(
                    f"the topic {target.topic} does not exist: is this the name of the dead-letter topic?"
                )
            return _answer(reader, target, request, report)
    except (DeadLetterError, ReadError, RedriveError, ValueError) as error:
        return Answer(error=str(error))
    except KafkaException as error:
        return Answer(error=f"the Kafka client or its brokers refuse this ({error.args[0].str()})")


def _answer(reader: Reader, target: Target, request: Request, report: Report) -> Answer:
    if isinstance(request, ListLetters):
        return _list(reader, target, request)
    if isinstance(request, ShowLetter):
        return Answer(whole=_show(reader, target, request))
    if not target.redrive_topic:
        raise DeadLetterError("it is not known which topic the trigger takes redriven messages from: name its group")
    return Answer(redriven=redrive(reader, target, request, report))


def _list(reader: Reader, target: Target, request: ListLetters) -> Answer:
    """The newest are kept while all are read, so that a long topic costs no more memory than the list."""
    total = 0

    def found() -> Iterable[Letter]:
        nonlocal total
        for message in reader.scan(target.topic, reader.ranges(target.topic, request.selection.since)):
            one = letter(message, target.redrive_topic)
            if one and means(request.selection, one):
                total += 1
                yield one

    newest = heapq.nlargest(min(request.limit, LONGEST_LIST), found(), key=_age)
    letters = [_for_list(each) for each in reversed(newest)]
    _add_redriven(reader, target, letters)
    return Answer(letters=letters, total=total)


def _age(found: Letter) -> tuple[int, int, int]:
    return found.timestamp, found.partition, found.offset


def _for_list(found: Letter) -> Letter:
    return msgspec.structs.replace(found, key=found.key[:LONGEST_KEY]) if found.key else found


def _add_redriven(reader: Reader, target: Target, letters: list[Letter]) -> None:
    by_mark = {(each.id, each.source_id): each for each in letters}
    for which, request in marks(reader, target.redrive_topic) if letters else ():
        if found := by_mark.get(which):
            found.redriven.append(request)


def _show(reader: Reader, target: Target, request: ShowLetter) -> WholeLetter:
    """The dead letter itself, or the newest one of a message of the source."""
    topic, partition, offset = parse_id(request.id)
    newest: Message | None = None
    if topic == target.topic:
        newest = next(_at(reader, topic, partition, offset), None)
    else:
        for message in reader.scan(target.topic, reader.ranges(target.topic)):
            one = letter(message, target.redrive_topic)
            if one and one.source_id == request.id:
                newest = message
    if newest is None:
        raise DeadLetterError(f"{target.topic} has no dead letter {request.id}: list what there is")
    return _whole(reader, target, newest, request.longest_value)


def _at(reader: Reader, topic: str, partition: int, offset: int) -> Iterator[Message]:
    start, end = reader.ranges(topic).get(partition, (0, 0))
    return reader.fetch(topic, {partition: {offset}}) if start <= offset < end else iter(())


def _whole(reader: Reader, target: Target, message: Message, longest: int | None) -> WholeLetter:
    found = letter(message, target.redrive_topic)
    if found is None:
        raise DeadLetterError(
            f"this record of {target.topic} is no dead letter of a trigger: it lacks the headers of one"
        )
    _add_redriven(reader, target, [found])
    value: bytes | None = message.value()
    return WholeLetter(
        letter=_for_list(found),
        key=message.key(),
        headers=headers_of(message),
        value=value[:longest] if value is not None and longest is not None else value,
        value_size=len(value or b""),
    )


def main() -> None:
    """One request from standard input, its answer to standard output, progress to standard error."""
    asks = "request", msgspec.json.Decoder(Request)
    serve("kafkatrigger.kafka.dead_letters", main.__doc__, asks, _answered, lambda why: Answer(error=why))


def _answered(config: ConsumerConfig, request: Request) -> Answer:
    return answer(target_of(config), request, _report)


def _report(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
