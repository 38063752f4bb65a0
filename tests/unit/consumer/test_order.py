"""Dispatcher, lanes, outcomes and a worker's own lanes together, with every interleaving that hypothesis thinks of.

The worker here is the protocol's other half in its smallest form: it answers in sequence, in parts of any size, holds
lanes with the runtime's own code, and dies. What is checked is what users are promised: the messages of a key end one
after the other, each in its turn, and all of them end.
"""

import time
from collections import Counter, defaultdict, deque
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kafkatrigger.api.configure import consumer_config
from kafkatrigger.api.frames import Batch, Failed, NotRun, Outcome, Record, Results, WorkerExited
from kafkatrigger.api.resources import KafkaTriggerSpec
from kafkatrigger.consumer import outcomes as outcomes_module
from kafkatrigger.consumer.dispatcher import Dispatcher
from kafkatrigger.consumer.lanes import Lanes
from kafkatrigger.consumer.outbox import Output, Plain
from kafkatrigger.consumer.outcomes import Outcomes
from kafkatrigger.consumer.partition import Partition
from kafkatrigger.runtime.lanes import Lanes as HeldLanes

KEYS = [b"a", b"b", b"c", b"", None]
SPEC = {
    "kafka": {"bootstrapServers": ["nowhere:1"]},
    "source": {"topics": ["t"]},
    "transformation": {"function": "m:f"},
    "response": {"topic": "out"},
    "delivery": {"retry": {"attempts": 4, "initialDelay": "1s", "maxDelay": "1s", "jitter": 0}},
}


class Written:
    """Stands for the outbox: remembers in which order messages came to their end."""

    def __init__(self) -> None:
        self.acknowledged: Counter[str] = Counter()
        self.ended: list[tuple[Partition, Record]] = []

    def respond(self, plain: Plain) -> None:
        self.ended += [(plain.partitions[record[0]], record) for record in plain.records]

    def write(self, output: Output) -> None:
        self.ended.append((output.partition, output.source))


class FakeWorker:
    """Runs batches in sequence; `fates` decides about each attempt."""

    def __init__(self) -> None:
        self.inbox: deque[Batch] = deque()
        self.lanes = HeldLanes("Key")
        self.done: list[Outcome] = []
        self.sent = 0
        self.ran: list[tuple[str, int, bytes | None, int]] = []

    def run_one(self, fate: Outcome) -> None:
        """The next record of the present batch runs, or is not run."""
        batch = self.inbox[0]
        if not self.done:
            self.lanes.begin_batch(batch.id, batch.seen)
        record = batch.records[len(self.done)]
        topic, partition = batch.sources[record[0]]
        if not self.lanes.admits(topic, partition, record[4]):
            self.done.append(NotRun())
            return
        self.ran.append((topic, partition, record[4], record[1]))
        if isinstance(fate, Failed):
            self.lanes.hold(topic, partition, record[4])
        self.done.append(fate)

    @property
    def is_running(self) -> bool:
        return bool(self.inbox) and len(self.done) < len(self.inbox[0].records)

    def answer(self) -> Results | None:
        """All outcomes that were not sent yet."""
        if self.sent == len(self.done):
            return None
        results = Results(self.inbox[0].id, self.sent, self.done[self.sent :])
        self.sent = len(self.done)
        if self.sent == len(self.inbox[0].records):
            self.inbox.popleft()
            self.done, self.sent = [], 0
        return results


FATES: list[Outcome] = [b"1", None, Failed("F", "E", "", False), Failed("F", "E", "", True)]


class OrderMachine(RuleBasedStateMachine):
    """Two workers, two partitions, five keys."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        config = consumer_config("ns", "n", KafkaTriggerSpec.model_validate(SPEC))
        self.lanes = Lanes()
        self.dispatcher = Dispatcher("Key", 40, self.lanes)
        self.written: Any = Written()
        self.outcomes = Outcomes(config, self.dispatcher, self.lanes, lambda *_: self.written)
        self.partitions = [Partition("t", number, 0, "Committed") for number in (0, 1)]
        self.keys: dict[tuple[Partition, int], bytes | None] = {}
        self.began: dict[tuple[Partition, int], float] = {}
        self.workers = [FakeWorker(), FakeWorker()]
        self.dispatcher.resize(2)
        for number in (0, 1):
            self.dispatcher.attach(number)
        vars(outcomes_module)["time"] = self

    def monotonic(self) -> float:
        return self.now

    @rule(keys=st.lists(st.tuples(st.integers(0, 1), st.sampled_from(KEYS)), min_size=1, max_size=8))
    def read(self, keys: list[tuple[int, bytes | None]]) -> None:
        records: list[Record] = []
        for number, key in keys:
            partition = self.partitions[number]
            records.append((number, partition.end, 0, 1, key, b"{}", None))
            self.keys[partition, partition.end] = key
            partition.end += 1
        self.dispatcher.add(self.partitions, records)

    @rule(window=st.integers(1, 6))
    def send(self, window: int) -> None:
        self.dispatcher.queue_lanes(self.now)
        for worker in self.dispatcher.workers:
            worker.window = window
        for number, batch in self.dispatcher.departures(self.now):
            # As bytes would come out at the other end: the worker keeps nothing of ours.
            self.workers[number].inbox.append(Batch(batch.id, batch.sources, list(batch.records), batch.seen))

    @rule(number=st.integers(0, 1), fates=st.lists(st.sampled_from(FATES), min_size=1, max_size=6))
    def run_some(self, number: int, fates: list[Outcome]) -> None:
        for fate in fates:
            if self.workers[number].is_running:
                self.workers[number].run_one(fate)

    @rule(number=st.integers(0, 1))
    def answer(self, number: int) -> None:
        if results := self.workers[number].answer():
            self.outcomes.answered(number, results)

    @rule(seconds=st.sampled_from([0.5, 2.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: any(worker.inbox for worker in self.workers))
    @rule(number=st.integers(0, 1), told=st.booleans())
    def die(self, number: int, told: bool) -> None:
        """The worker dies in the middle of a message, its last answers unsent; `told` says whether anybody knows why."""
        worker = self.workers[number]
        suspects = [(worker.inbox[0].id, len(worker.done))] if worker.is_running else []
        exited = WorkerExited(number, "WorkerCrashed", "", suspects) if told else None
        self.outcomes.worker_gone(number, exited)
        self.workers[number] = FakeWorker()
        self.dispatcher.attach(number)

    @invariant()
    def every_message_is_somewhere(self) -> None:
        held = Counter([*self.dispatcher.open_offsets(), *self.lanes.open_offsets()])
        ended = Counter((partition, record[1]) for partition, record in self.written.ended)
        assert not held or max(held.values()) == 1
        assert not ended or max(ended.values()) == 1
        counted = len(held) + len(ended) + self.written.acknowledged["filtered"]
        assert counted == len(self.keys), f"{len(self.keys)} messages were read, {counted} are known of"
        assert self.dispatcher.bytes + self.lanes.bytes == sum(
            2 + len(self.keys[partition, offset] or b"") for partition, offset in held
        )

    @invariant()
    def keys_end_in_order(self) -> None:
        ends: dict[Any, list[int]] = defaultdict(list)
        for partition, record in self.written.ended:
            if record[4] is not None:
                ends[partition, record[4]].append(record[1])
        assert all(offsets == sorted(offsets) for offsets in ends.values()), ends

    def teardown(self) -> None:
        """With every fate kind from now on, all messages end, in order."""
        for _ in range(400):
            self.now += 10
            self.send(6)
            for number in (0, 1):
                while self.workers[number].is_running:
                    self.workers[number].run_one(b"1")
                self.answer(number)
            self.every_message_is_somewhere()
        self.keys_end_in_order()
        assert not self.dispatcher.held
        assert not self.lanes
        self.close()

    def close(self) -> None:
        vars(outcomes_module)["time"] = time


TestOrder = OrderMachine.TestCase
TestOrder.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def world_with(keys: list[bytes]) -> tuple[OrderMachine, int, FakeWorker]:
    """One batch of these keys is at a worker: the machine, the worker's number and the worker."""
    world = OrderMachine()
    world.read([(0, key) for key in keys])
    world.send(len(keys))
    (number,) = (number for number, worker in enumerate(world.workers) if worker.inbox)
    return world, number, world.workers[number]


def test_a_message_whose_answer_died_with_the_worker_runs_again_before_the_suspect() -> None:
    world, number, worker = world_with([b"a", b"a", b"a"])
    worker.run_one(b"1")
    world.die(number, told=True)
    world.wait(2.0)
    world.send(6)
    assert [each[1] for batch in world.workers[number].inbox for each in batch.records] == [0, 1, 2]
    assert [each[3] for batch in world.workers[number].inbox for each in batch.records] == [1, 2, 1]
    world.teardown()


def test_without_a_word_about_the_end_no_attempt_is_counted() -> None:
    world, number, worker = world_with([b"a", b"a"])
    worker.run_one(b"1")
    world.die(number, told=False)
    world.send(6)
    assert [each[3] for each in world.workers[number].inbox[0].records] == [1, 1]
    world.teardown()


def test_a_message_does_not_overtake_one_that_was_not_run_and_not_yet_heard_of() -> None:
    world, number, worker = world_with([b"a"])
    world.read([(0, b"a")])
    world.send(6)
    worker.run_one(FATES[3])
    world.answer(number)
    world.read([(0, b"a")])
    world.send(6)  # the failure is known and final, so nothing waits here; what became of the second is not known
    worker.run_one(b"1")
    assert worker.done == [NotRun()]
    late = worker.answer()
    worker.run_one(b"1")
    assert worker.done == [NotRun()]
    world.outcomes.answered(number, late)  # type: ignore[arg-type]
    world.teardown()


def test_what_ran_for_a_partition_that_was_given_up_leaves_no_trace() -> None:
    world, number, worker = world_with([b"a", b"a", b"a"])
    for fate in (b"1", FATES[2]):
        worker.run_one(fate)
    world.partitions[0].revoked = True
    world.dispatcher.drop_revoked()
    world.lanes.drop_revoked()
    world.answer(number)
    world.outcomes.worker_gone(number, WorkerExited(number, "WorkerCrashed", "", [(1, 2)]))
    assert world.written.ended == []
    assert not world.lanes
    assert not world.dispatcher.held
    world.close()
