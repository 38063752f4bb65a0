"""What becomes of an answer: a response, a retry, a dead letter. The place where a message turns terminal or waits."""

import logging
import random
import time
from collections.abc import Callable
from itertools import groupby
from operator import itemgetter

from confluent_kafka import KafkaError

from kafkatrigger.api.consumer_config import ConsumerConfig
from kafkatrigger.api.frames import Failed, Headers, NotRun, Outcome, Outputs, Record, Results, WorkerExited
from kafkatrigger.api.frames import Output as Answer
from kafkatrigger.consumer import dead_letter, retry
from kafkatrigger.consumer.dispatcher import Dispatcher, Flight
from kafkatrigger.consumer.lanes import LaneId, Lanes
from kafkatrigger.consumer.outbox import Outbox, Output, Plain, Refused
from kafkatrigger.consumer.partition import Partition

log = logging.getLogger(__name__)

_ORDINARY = {bytes}
_headers_of = itemgetter(6)


class Outcomes:
    """Turns the answers of workers into records to write and messages to run again."""

    def __init__(
        self,
        config: ConsumerConfig,
        dispatcher: Dispatcher,
        lanes: Lanes,
        outbox: Callable[[ConsumerConfig, Refused], Outbox] = Outbox.of,
    ) -> None:
        self._config = config
        self._dispatcher = dispatcher
        self._lanes = lanes
        self.outbox = outbox(config, self._refused)

    def answered(self, worker: int, results: Results) -> None:
        """Outcomes of a worker; OutOfTurnError, with nothing changed, where they answer nothing that was sent."""
        flight, records = self._dispatcher.answered(worker, results)
        if self._is_ordinary(flight, records, results.outcomes):
            self._respond(flight, records, results.outcomes)  # type: ignore[arg-type]
            return
        after = self._dispatcher.last_sent(worker)
        for record, outcome in zip(records, results.outcomes, strict=True):
            self._one(flight, record, outcome, after)

    def worker_gone(self, worker: int, exited: WorkerExited | None) -> None:
        """The suspects count an attempt; what the worker did not get to is run again without counting one.

        The suspects come first: a message before one of them may have run, its answer lost with the worker, and it must
        not run again after the suspect.
        """
        suspects = set(exited.suspects) if exited else set()
        unfinished = [
            (flight, record, (flight.id, index) in suspects)
            for flight in self._dispatcher.detach(worker)
            for index, record in enumerate(flight.open_records, flight.answered)
        ]
        for flight, record, is_suspect in unfinished:
            if exited and is_suspect:
                self._one(flight, record, Failed(exited.reason, exited.reason, exited.message, False), 0)
        waits: list[tuple[Flight, Record]] = []
        for flight, record, is_suspect in unfinished:
            if is_suspect:
                continue
            if flight.waited or self._lane(flight, record) in self._lanes:
                self._one(flight, record, NotRun(), 0)
            elif not flight.partitions[record[0]].revoked:
                waits.append((flight, record))
        for flight, group in reversed([(flight, list(group)) for flight, group in groupby(waits, itemgetter(0))]):
            self._dispatcher.put_back(worker, flight.partitions, [record for _, record in group])

    def _is_ordinary(self, flight: Flight, records: list[Record], outcomes: list[Outcome]) -> bool:
        """One response each, under the message's key, and nobody waits: then the whole batch is written in one go."""
        return (
            not flight.waited
            and set(map(type, outcomes)) == _ORDINARY
            and self._config.response_headers == "None"
            and not any(map(_headers_of, records))
            and not any(partition.revoked for partition in flight.partitions)
        )

    def _respond(self, flight: Flight, records: list[Record], values: list[bytes]) -> None:
        if self._config.response is None:
            self.outbox.acknowledged["succeeded"] += len(values)
        else:
            self.outbox.respond(Plain(self._config.response.topic, flight.partitions, records, values))

    def _lane(self, flight: Flight, record: Record) -> LaneId:
        return self._dispatcher.lane_of(flight.partitions[record[0]], record)

    def _one(self, flight: Flight, record: Record, outcome: Outcome, after: int) -> None:
        """One answer. If the message has to wait, its lane does so until batch `after` is answered as well."""
        partition = flight.partitions[record[0]]
        if not partition.revoked:
            self._settle(partition, record, outcome, after)
        if flight.waited:
            self._lanes.finished(self._lane(flight, record), time.monotonic())

    def _settle(self, partition: Partition, record: Record, outcome: Outcome, after: int) -> None:
        if outcome is None:
            self.outbox.acknowledged["filtered"] += 1
        elif isinstance(outcome, bytes):
            self._write(partition, record, [Answer(outcome)])
        elif isinstance(outcome, Outputs):
            self._write(partition, record, outcome.outputs)
        elif isinstance(outcome, NotRun):
            self._lanes.put(self._dispatcher.lane_of(partition, record), partition, record, after=after)
        else:
            self._failed(partition, record, outcome, after)

    def _write(self, partition: Partition, record: Record, answers: list[Answer]) -> None:
        response = self._config.response
        if response is None or not answers:
            self.outbox.acknowledged["succeeded" if answers else "filtered"] += 1
            return
        common = self._response_headers(partition, record)
        for number, answer in enumerate(answers, 1):
            self.outbox.write(
                Output(
                    partition=partition,
                    source=record,
                    topic=response.topic,
                    value=answer.value,
                    key=record[4] if answer.source_key else answer.key,
                    headers=[*common, *answer.headers],
                    outcome="succeeded" if number == len(answers) else "",
                    target=-1 if answer.partition is None else answer.partition,
                )
            )

    def _response_headers(self, partition: Partition, record: Record) -> Headers:
        """The headers asked for; the trace goes on in any case."""
        source = record[6] or []
        if self._config.response_headers == "None":
            return [header for header in source if header[0] == "traceparent"]
        if self._config.response_headers == "Source":
            return source
        return [*source, *dead_letter.source_headers(partition, record)]

    def _failed(self, partition: Partition, record: Record, failed: Failed, after: int) -> None:
        attempt = record[3]
        policy = self._config.retry
        if failed.permanent or retry.exhausted(policy, attempt):
            if output := self._finally_failed(partition, record, failed):
                self.outbox.write(output)
            return
        wait = retry.delay(policy, attempt, random.random())  # noqa: S311 - it spreads retries, nothing more
        log.info("%s@%d failed (%s, %s): attempt %d follows in %.1f s",
                 partition.name, record[1], failed.reason, failed.error_class, attempt + 1, wait)  # fmt: skip
        again = (*record[:3], attempt + 1, *record[4:])
        due = time.monotonic() + wait
        self._lanes.put(self._dispatcher.lane_of(partition, record), partition, again, due, after)

    def _finally_failed(self, partition: Partition, record: Record, failed: Failed) -> Output | None:
        """The dead letter to write, if failures are not skipped."""
        what = "is skipped" if self._config.skip_failures else f"goes to {self._config.dead_letter.topic}"
        log.warning("%s@%d failed for good after %d attempts (%s, %s): it %s",
                    partition.name, record[1], record[3], failed.reason, failed.error_class, what)  # fmt: skip
        if self._config.skip_failures:
            self.outbox.acknowledged["skipped"] += 1
            return None
        headers = dead_letter.headers(partition, record, failed.reason, failed.error_class, failed.message)
        topic = self._config.dead_letter.topic
        timestamp = max(0, record[2])
        return Output(partition, record, topic, record[5], record[4], headers, "dead_lettered", timestamp=timestamp)

    def _refused(self, output: Output, error: KafkaError) -> Output | None:
        """Its topic will never take this record: a response becomes a dead letter, a dead letter a mere reference."""
        if output.outcome == "dead_lettered":
            return dead_letter.reference(output)
        size = len(output.value or b"")
        message = f"the response of {size} bytes was refused by the topic {output.topic}: {error.str()}"
        return self._finally_failed(
            output.partition, output.source, Failed("ResponseRefused", error.name(), message, True)
        )
