"""What becomes of an answer: a response, a retry, a dead letter. The place where a message turns terminal or waits."""

import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence

from confluent_kafka import KafkaError
from msgspec.structs import replace

from kafkatrigger.api.consumer_config import ConsumerConfig
from kafkatrigger.api.frames import Failed, Headers, NotRun, Outcome, Outputs, Record, Results
from kafkatrigger.api.frames import Output as Answer
from kafkatrigger.consumer import dead_letter, request_failure, retry
from kafkatrigger.consumer.breaker import Breaker
from kafkatrigger.consumer.dispatcher import Dispatcher
from kafkatrigger.consumer.lanes import Lane, Lanes
from kafkatrigger.consumer.last_failures import LastFailures
from kafkatrigger.consumer.offsets import BLOCKED, PARTITION, STOPPED, LaneId
from kafkatrigger.consumer.outbox import Callbacks, Outbox
from kafkatrigger.consumer.output import Output, Plain
from kafkatrigger.consumer.partition import Partition
from kafkatrigger.consumer.trace_context import HEADERS as TRACE
from kafkatrigger.consumer.tracing import Tracing
from kafkatrigger.consumer.verdicts import TOO_LARGE
from kafkatrigger.consumer.worker import Flight
from kafkatrigger.kafka.letters import unmarked

log = logging.getLogger(__name__)

_ORDINARY = {bytes}


class Outcomes:
    """Turns the answers of workers into records to write and messages to run again."""

    def __init__(
        self,
        config: ConsumerConfig,
        dispatcher: Dispatcher,
        lanes: Lanes,
        breaker: Breaker,
        outbox: Callable[[Callbacks], Outbox],
        tracing: Tracing | None = None,
    ) -> None:
        self._config = config
        self._output_topics = {each.topic for each in config.output_topics}
        self._dispatcher = dispatcher
        self._lanes = lanes
        self._breaker = breaker
        self._tracing = tracing
        self.outbox = outbox(Callbacks(self.refused, self.held, self.settled))
        self._frame: _Frame | None = None
        """Whose answers are being dealt with."""
        self.attempts: Counter[str] = Counter()
        """Attempts that ended, by how: succeeded, or the reason of a failure."""
        self.last_failures = LastFailures()

    # Answers

    def answered(self, worker: int, results: Results) -> None:
        """Outcomes of a worker; OutOfTurnError, with nothing changed, where they answer nothing that was sent."""
        flight, records = self._dispatcher.answered(worker, results)
        traced = self._tracing.answered(flight, records, results) if self._tracing and flight.executions else []
        if self._is_ordinary(flight, results.outcomes):
            self._respond_around(traced, flight, records, results.outcomes)  # type: ignore[arg-type]
            return
        generation = self._dispatcher.workers[worker].generation
        self._frame = _Frame(self, flight, records, results.outcomes, generation, frozenset(traced))
        try:
            self._frame.settle()
        finally:
            self._frame = None

    def _is_ordinary(self, flight: Flight, outcomes: Sequence[Outcome]) -> bool:
        """One response each, under the message's key, and nobody waits: then the whole batch is written in one go."""
        return (
            flight.plain
            and not flight.waited
            and set(map(type, outcomes)) == _ORDINARY
            and self._config.response_headers == "None"
            and not any(partition.revoked or partition.lanes for partition in flight.partitions)
        )

    def died(self, flight: Flight, record: Record, failed: Failed) -> None:
        """An attempt that ended with its worker."""
        if self._tracing is not None:
            self._tracing.died(flight, record, failed)
        self.one(flight.partitions[record[0]], record, failed)

    def _respond_around(self, traced: list[int], flight: Flight, records: list[Record], values: list[bytes]) -> None:
        """Responses of the ordinary kind, but for those with a trace context: these are written one by one, in their place."""
        start = 0
        for position in traced:
            if start < position:
                self._respond(flight, records[start:position], values[start:position])
            record = records[position]
            self.one(flight.partitions[record[0]], record, values[position])
            start = position + 1
        if not traced:
            self._respond(flight, records, values)
        elif start < len(records):
            self._respond(flight, records[start:], values[start:])

    def _respond(self, flight: Flight, records: list[Record], values: list[bytes]) -> None:
        self.attempts["succeeded"] += len(values)
        self._breaker.succeeded(len(values), time.monotonic())
        if self._config.response is None:
            self.outbox.acknowledged["succeeded"] += len(values)
        else:
            size = flight.size * len(records) // len(flight.records) + sum(map(len, values))
            self.outbox.respond(Plain(self._config.response.topic, flight.partitions, records, values, size))

    def one(self, partition: Partition, record: Record, outcome: Outcome) -> None:
        """What becomes of one message; its lane, if it has one, knows that it was answered."""
        now = time.monotonic()
        if isinstance(outcome, NotRun):
            self._lanes.put(self.lane(partition, record), record)
        elif isinstance(outcome, Failed):
            self._failed(partition, record, outcome)
        elif isinstance(outcome, Outputs) and (stray := self._stray(outcome)) is not None:
            self._failed(partition, record, stray)
            self._lanes.consider(self.lane(partition, record))
        else:
            self.attempts["succeeded"] += 1
            self._breaker.succeeded(1, now)
            if outcome is None:
                self.outbox.acknowledged["filtered"] += 1
            else:
                self._write(partition, record, [Answer(outcome)] if isinstance(outcome, bytes) else outcome.outputs)

    def lane(self, partition: Partition, record: Record) -> Lane:
        """The lane of a message, which begins to wait if it did not, and then knows how many of it are under way."""
        lane_id = self._dispatcher.lane_of(record)
        lane = partition.lanes.get(lane_id)
        if lane is None:
            lane = self._dispatcher.open_lane(partition, record)
            behind = self._frame.behind(partition, lane_id) if self._frame is not None else 0
            lane.running = self._dispatcher.under_way(partition, lane_id) + behind
        return lane

    def _stray(self, outcome: Outputs) -> Failed | None:
        """The failure that it is to write to a topic that the trigger does not name: user code must not choose freely."""
        for topic in (answer.topic for answer in outcome.outputs):
            if topic and topic not in self._output_topics:
                named = ", ".join(sorted(self._output_topics)) or "none"
                message = f"an output is to go to the topic {topic}, which the trigger does not name; it names {named}"
                return Failed("InvalidResult", "InvalidResult", message, True)
        return None

    def _write(self, partition: Partition, record: Record, answers: list[Answer]) -> None:
        if outputs := self._outputs(partition, record, answers):
            self.outbox.write(*outputs)
        else:
            self.outbox.acknowledged["succeeded" if answers else "filtered"] += 1

    def _outputs(self, partition: Partition, record: Record, answers: list[Answer]) -> list[Output]:
        """The records to write; none for responses of a trigger without a topic for them."""
        responses = self._config.response.topic if self._config.response is not None else ""
        placed = [(answer, topic) for answer in answers if (topic := answer.topic or responses)]
        common = self._response_headers(partition, record) if placed else []
        return [
            Output(
                partition=partition,
                source=record,
                topic=topic,
                value=answer.value,
                key=record[4] if answer.source_key else answer.key,
                headers=[*common, *answer.headers],
                outcome="succeeded" if number == len(placed) else "",
                target=-1 if answer.partition is None else answer.partition,
            )
            for number, (answer, topic) in enumerate(placed, 1)
        ]

    def _response_headers(self, partition: Partition, record: Record) -> Headers:
        """The headers asked for; the trace goes on in any case. Of a redrive nobody else learns: the message is what it was."""
        source, place = unmarked(record[6] or []) if partition.is_redrive else (record[6] or [], [])
        if self._tracing is not None and (execution := self._tracing.execution(partition, record)) is not None:
            source = execution.continued(source)
        if self._config.response_headers == "None":
            return [header for header in source if header[0] in TRACE]
        if self._config.response_headers == "Source":
            return source
        return [*source, *(place or dead_letter.source_headers(partition, record))]

    # Failures

    def is_final(self, record: Record, failed: Failed) -> bool:
        """Whether the message does not run again after this failure. A request does only if what it ran says that it may."""
        is_retried = not failed.permanent and (failed.reason == "FunctionFailed" or not self._config.is_request)
        return not is_retried or retry.exhausted(self._config.retry, record[3])

    def _failed(self, partition: Partition, record: Record, failed: Failed) -> None:
        attempt, policy, now = record[3], self._config.retry, time.monotonic()
        self.attempts[failed.reason] += 1
        self._breaker.attempt_failed(now)
        if self.is_final(record, failed):
            self._breaker.failed(self._dispatcher.lane_of(record), now)
            self._finally_failed(partition, record, failed)
            return
        wait = retry.delay(policy, attempt, random.random())  # noqa: S311 - it spreads retries, nothing more
        self.last_failures.note(partition, record, failed, final=False)
        log.info("%s-%d failed (%s, %s): attempt %d follows in %.1f s",
                 partition.name, record[1], failed.reason, failed.error_class, attempt + 1, wait,
                 extra=partition.facts(record[1]))  # fmt: skip
        lane = self.lane(partition, record)
        self._lanes.put(lane, _in_attempt(record, attempt + 1))
        # The attempts used up are committed before the next one, so that no restart forgets them.
        self._lanes.wait(lane, now + wait, partition.commits_sent + 1)

    def _finally_failed(self, partition: Partition, record: Record, failed: Failed) -> None:
        """A request is answered, whatever became of it; any other message is given up as the trigger says."""
        if self._config.is_request:
            self._note_final(partition, record, failed, "it is answered with a failure")
            self._write(partition, record, [_failure(record, failed)])
        else:
            self._give_up(partition, record, failed)

    def _give_up(self, partition: Partition, record: Record, failed: Failed) -> None:
        on_failure = self._config.on_failure
        self._tell_final(partition, record, failed)
        if on_failure == "DeadLetter":
            self.write_dead_letter(partition, record, failed)
        elif on_failure == "Skip":
            self.outbox.acknowledged["skipped"] += 1
        else:
            state = BLOCKED if on_failure == "Block" else STOPPED
            self._lanes.block(self.lane(partition, record), record, failed, state, time.time())

    def _tell_final(self, partition: Partition, record: Record, failed: Failed) -> None:
        what = {
            "DeadLetter": f"it goes to {self._config.dead_letter.topic}",
            "Skip": "it is skipped",
            "Block": "its key waits for a decision: kafkatrigger blocked list",
            "Stop": "the trigger stops: kafkatrigger resume",
        }[self._config.on_failure]
        self._note_final(partition, record, failed, what)

    def _note_final(self, partition: Partition, record: Record, failed: Failed, what: str) -> None:
        self.last_failures.note(partition, record, failed, final=True)
        log.warning("%s-%d failed for good after %d attempts (%s, %s): %s",
                    partition.name, record[1], record[3], failed.reason, failed.error_class, what,
                    extra=partition.facts(record[1]))  # fmt: skip

    def write_dead_letter(self, partition: Partition, record: Record, failed: Failed) -> None:
        """The message goes to the dead-letter topic.

        Its lane goes on when that has taken it: results of later messages go to another topic, and could be there before.
        If the partition moved then, its next owner would run the message again, behind them.
        """
        letter = self._dead_letter(partition, record, failed)
        self._await(letter)
        self.outbox.write(letter)

    def _await(self, output: Output) -> None:
        """The lane of this record waits until it is acknowledged. A message alone has nothing behind it that would."""
        if not output.awaited and self._dispatcher.lane_of(output.source) >= PARTITION:
            output.awaited = True
            self.held(output)

    def _dead_letter(self, partition: Partition, record: Record, failed: Failed) -> Output:
        execution = self._tracing.execution(partition, record) if self._tracing is not None else None
        trace = execution.header if execution is not None else None
        headers = dead_letter.headers(partition, record, failed.reason, failed.error_class, failed.message, trace)
        topic = self._config.dead_letter.topic
        timestamp = max(0, record[2])
        return Output(partition, record, topic, record[5], record[4], headers, "dead_lettered", timestamp=timestamp)

    # What the outbox has to say

    def refused(self, output: Output, error: KafkaError) -> Output | None:
        """Its topic will never take this record: the message has failed, and a dead letter becomes a mere reference."""
        if output.outcome == "dead_lettered":
            return dead_letter.reference(output)
        what = f"the response of {len(output.value or b'')} bytes" if output.several is None else "one of the responses"
        message = f"{what} was refused by the topic {output.topic}: {error.str()}"
        failed = Failed("ResponseRefused", error.name(), message, True)
        if self._config.is_request and not output.stands_in:
            reason = "ResponseTooLarge" if error.code() in TOO_LARGE else failed.reason
            return self._failure_instead(output, replace(failed, reason=reason))
        if self._config.on_failure == "DeadLetter":
            self._tell_final(output.partition, output.source, failed)
            self._await(output)
            return self._dead_letter(output.partition, output.source, failed)
        (self._give_up if output.stands_in else self._failed)(output.partition, output.source, failed)
        self._lanes.consider(self.lane(output.partition, output.source))
        return None

    def _failure_instead(self, output: Output, failed: Failed) -> Output | None:
        """Says to whoever asked what became of the response. If not even that is taken, the message is given up."""
        self._note_final(output.partition, output.source, failed, "it is answered with a failure")
        written = self._outputs(output.partition, output.source, [_failure(output.source, failed)])
        if not written:
            self.outbox.acknowledged["succeeded"] += 1
            return None
        written[0].stands_in = True
        return written[0]

    def held(self, output: Output) -> None:
        """The lane of this record waits until it is settled: its topic refuses writes for the moment, say."""
        self.lane(output.partition, output.source).held += 1

    def settled(self, output: Output) -> None:
        """A record that was held is written: its lane goes on, with the answers that came meanwhile first.

        One of a partition that was given up meanwhile does not: its next owner runs those messages.
        """
        lane = output.partition.lanes.get(self._dispatcher.lane_of(output.source))
        if lane is None or output.partition.revoked:
            return
        lane.held -= 1
        while lane.answers and not lane.held:
            record, outcome = lane.answers.pop(0)
            self.one(lane.partition, record, outcome)
        self._lanes.consider(lane)

    # What is read again

    def read_again(self, lane: Lane, record: Record) -> bool:
        """A message of a lane that was outside memory; whether more of it may follow.

        What somebody decided is done once all before it in the lane has come to its end.
        """
        is_decided = lane.decision is not None and record[1] == lane.stopped_at
        if is_decided and lane.records:
            return False
        tried = lane.tried.pop(record[1], 0)
        decision = lane.decision if is_decided else None
        if is_decided:
            lane.decision = None
        if decision in (None, "retry"):
            return self._lanes.read_again(lane, _in_attempt(record, 1 + tried))
        lane.spilled = record[1] + 1
        if decision == "skip":
            self.outbox.acknowledged["skipped"] += 1
        else:
            message = "somebody decided so, about a key that was blocked"
            failed = lane.failure or Failed("Blocked", "Blocked", message, True)
            self.write_dead_letter(lane.partition, _in_attempt(record, max(1, lane.spent)), failed)
        return True


def _failure(request: Record, failed: Failed) -> Answer:
    return Answer(request_failure.response(request[5], failed))


def _in_attempt(record: Record, attempt: int) -> Record:
    return (*record[:3], attempt, *record[4:])


class _Frame:
    """The answers of one frame that have to be looked at one by one.

    Ordinary ones among them are still written together, in their place among the others.
    """

    def __init__(
        self,
        outcomes: Outcomes,
        flight: Flight,
        records: list[Record],
        answers: list[Outcome],
        generation: int,
        traced: frozenset[int],
    ) -> None:
        self._outcomes = outcomes
        self._lanes = outcomes._lanes
        self._dispatcher = outcomes._dispatcher
        self._flight = flight
        self._records = records
        self._answers = answers
        self._generation = generation
        self._traced = traced
        """Which of the answers have a trace context to be told of in their responses."""
        self._index = 0
        """Of the answer that is being dealt with."""
        self._later: Counter[tuple[Partition, LaneId]] | None = None
        self._plain: list[Record] = []
        self._values: list[bytes] = []
        self._in_one_go = outcomes._config.response_headers == "None" and flight.plain

    def settle(self) -> None:
        """Deals with each answer, in order."""
        for index, (record, outcome) in enumerate(zip(self._records, self._answers, strict=True)):
            self._index = index
            partition = self._flight.partitions[record[0]]
            if self._later is not None:
                self._later[(partition, self._dispatcher.lane_of(record))] -= 1
            if partition.revoked:
                continue
            lane = partition.lanes.get(self._dispatcher.lane_of(record)) if partition.lanes else None
            if lane is not None:
                self._of_lane(lane, record, outcome)
            elif type(outcome) is bytes and self._in_one_go and index not in self._traced:
                self._plain.append(record)
                self._values.append(outcome)
            else:
                self._write_plain()
                self._single(partition, record, outcome)
        self._write_plain()

    def _write_plain(self) -> None:
        if self._plain:
            self._outcomes._respond(self._flight, self._plain, self._values)
            self._plain, self._values = [], []

    def _of_lane(self, lane: Lane, record: Record, outcome: Outcome) -> None:
        self._write_plain()
        if type(outcome) is NotRun or type(outcome) is Failed:
            lane.held_by = self._generation
        lane.quarantined, lane.deaths = False, 0
        self._lanes.answered(lane, record)
        if (lane.held or lane.answers) and type(outcome) is not NotRun:
            lane.answers.append((record, outcome))
        else:
            self._outcomes.one(lane.partition, record, outcome)
        self._lanes.consider(lane)

    def _single(self, partition: Partition, record: Record, outcome: Outcome) -> None:
        """A message whose lane does not wait; it begins to, if the message failed."""
        if type(outcome) is not Failed and type(outcome) is not NotRun:
            self._outcomes.one(partition, record, outcome)
            return
        lane = self._outcomes.lane(partition, record)
        lane.held_by = self._generation
        self._outcomes.one(partition, record, outcome)
        self._lanes.consider(lane)

    def behind(self, partition: Partition, lane_id: LaneId) -> int:
        """How many of the answers behind the present one are of the lane."""
        if lane_id < PARTITION:  # it is a message alone
            return 0
        if self._later is None:
            behind = self._records[self._index + 1 :]
            self._later = Counter((self._flight.partitions[each[0]], self._dispatcher.lane_of(each)) for each in behind)
        return self._later[(partition, lane_id)]
