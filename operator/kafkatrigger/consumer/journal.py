"""What was handed to the client and is not acknowledged."""

from collections import Counter
from collections.abc import Iterator

from confluent_kafka import KafkaError, Message

from kafkatrigger.consumer.output import Entry, Output, Plain, offsets_of, outputs_of
from kafkatrigger.consumer.partition import Partition
from kafkatrigger.consumer.verdicts import Failure


class Journal:
    """Records in the order in which they were written, and which of them failed."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.records = 0
        self.size = 0
        """Bytes held."""
        self.delivered: list[Output] = []
        """Those for which somebody waits that were written by now, whatever becomes of the others."""
        self._failed: list[Failure] = []
        self._failed_plain: list[tuple[Message, KafkaError]] = []

    def add_plain(self, plain: Plain) -> None:
        self.entries.append(plain)
        self.records += len(plain.values)
        self.size += plain.size

    def add(self, output: Output) -> None:
        self.entries.append(output)
        self.records += 1
        self.size += output.size

    def failed(self, output: Output, error: KafkaError) -> None:
        """The record was not written."""
        self._failed.append((output, error))

    def failed_plain(self, message: Message, error: KafkaError) -> None:
        """An ordinary response was not written. Reports of it carry no headers, and do not say which it was."""
        self._failed_plain.append((message, error))

    @property
    def has_failures(self) -> bool:
        return bool(self._failed or self._failed_plain)

    def partitions(self) -> set[Partition]:
        """Whose messages the records answer."""
        found: set[Partition] = set()
        for entry in self.entries:
            if isinstance(entry, Output):
                found.add(entry.partition)
            else:  # of a batch's partitions, those that have records among these
                found.update([entry.partitions[index] for index in {record[0] for record in entry.records}])
        return found

    def offsets(self) -> Iterator[tuple[Partition, int]]:
        """The messages that the records answer."""
        for entry in self.entries:
            yield from offsets_of(entry)

    def judged(self) -> tuple[list[Output], list[Failure]]:
        """All records one by one, and of them those that failed, each in order.

        Ordinary responses are matched by their content: two with the same content are each as good as the other.
        """
        outputs = outputs_of(self.entries)
        reported = {id(output): error for output, error in self._failed}
        by_content: dict[tuple[str, bytes | None, bytes | None], list[KafkaError]] = {}
        for message, error in self._failed_plain:
            by_content.setdefault((message.topic(), message.key(), message.value()), []).append(error)
        special = {id(entry) for entry in self.entries if isinstance(entry, Output)}
        failures: list[Failure] = []
        for output in outputs:
            if id(output) in special:
                found = reported.get(id(output))
            else:
                errors = by_content.get((output.topic, output.key, output.value))
                found = errors.pop() if errors else None
            if found is not None:
                failures.append((output, found))
        return outputs, failures

    def counts(self) -> Counter[str]:
        """How many messages are terminal by these records, by outcome."""
        counts: Counter[str] = Counter()
        for entry in self.entries:
            if isinstance(entry, Plain):
                counts["succeeded"] += len(entry.values)
            elif entry.outcome:
                counts[entry.outcome] += 1
        return counts

    def ages(self) -> Iterator[tuple[int, int]]:
        """Timestamps in milliseconds of the messages answered, with how many there are; of a batch its oldest stands for all."""
        for entry in self.entries:
            if isinstance(entry, Plain):
                yield entry.records[0][2], len(entry.records)
            elif entry.outcome:
                yield entry.source[2], 1

    def awaited(self) -> list[Output]:
        """Those for which somebody waits."""
        return [entry for entry in self.entries if isinstance(entry, Output) and entry.awaited]
