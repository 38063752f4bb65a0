"""A runtime in memory that keeps the contract of the frames, and workers that fail as the messages' plans say.

A plan is the value of a message, or in the value of a request: ok, filter, several, split (the second of three goes to
another topic), large (a response that its topic refuses), mixed (it refuses the second of three), stray (one goes to a
topic that nobody named), permanent, fail, timeout or crash (each for ever), or one of these with a number: so many times, and
then it is ok. `down` ends the whole runtime.
"""

import random
from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import groupby

from kafkatrigger.api.consumer_config import OnFailure
from kafkatrigger.api.frames import (
    Batch,
    Failed,
    NotRun,
    Ordering,
    Outcome,
    Output,
    Outputs,
    Record,
    Results,
    WorkerExited,
)
from kafkatrigger.consumer.runtime_link import Event, RuntimeJoined, WorkerAnswered, WorkerAttached, WorkerGone
from tests.simulation.clock import Clock
from tests.simulation.history import LARGE, OUTPUTS, History, Id, plan_of

Lane = tuple[str, int, bytes | None]
TIMEOUT = 0.3
_MENDABLE = ("permanent", "fail", "crash", "timeout", "down", "large")
FAILURE = Failed("FunctionFailed", "ValueError", "as planned", False)


class Attached(WorkerAttached):
    """With the number of the process."""

    process: int = 0


class Job:
    """A message at a worker."""

    def __init__(self, batch: Batch, index: int, epochs: list[int]) -> None:
        self.batch, self.index = batch, index
        self.record: Record = batch.records[index]
        self.id: Id = (*batch.sources[self.record[0]], self.record[1])
        self.epoch = epochs[self.record[0]]
        """Of the assignment for which it was sent."""

    @property
    def plan(self) -> str:
        return plan_of(self.record[5] or b"")


class Worker:
    """A worker process: in sequence, or side by side but for lanes."""

    def __init__(self, runtime: "Runtime", number: int) -> None:
        self.runtime, self.number = runtime, number
        self.process = 0
        self.is_alive = False
        self.attached = 0
        """The process that the engine knows of: what it sends to another one gets nowhere."""
        self.reset()

    def reset(self) -> None:
        self.held: set[Lane] = set()
        self.jobs: deque[Job | Batch] = deque()
        """To be run, and batches whose releases take effect when all before was answered."""
        self.running: list[Job] = []
        self.unsent: list[tuple[Job, Outcome]] = []

    @property
    def name(self) -> tuple[int, int]:
        return self.number, self.process

    @property
    def unanswered(self) -> list[Job]:
        """Any of these may have started, for all that is known when nobody says why the process ended."""
        waiting = [job for job in self.jobs if isinstance(job, Job)]
        return [*self.running, *waiting, *(job for job, _ in self.unsent)]

    def feed(self, batch: Batch) -> None:
        if self.runtime.is_async:
            self._release(batch)
        else:
            self.jobs.append(batch)
        epochs = [self.runtime.history.epoch(self.runtime.pod, source) for source in batch.sources]
        self.jobs.extend(Job(batch, index, epochs) for index in range(len(batch.records)))
        self._go_on()

    def _release(self, batch: Batch) -> None:
        for source, key in batch.released:
            self.held.discard((*batch.sources[source], key))

    def _lane(self, job: Job) -> Lane | None:
        key = job.record[4]
        if self.runtime.ordering == "Partition":
            return (*job.id[:2], None)
        return (*job.id[:2], key) if self.runtime.ordering == "Key" and key is not None else None

    def _go_on(self) -> None:
        """Starts what can be started, and answers what has to wait."""
        waiting: deque[Job | Batch] = deque()
        busy = {self._lane(job) for job in self.running} - {None}
        while self.jobs and len(self.running) < self.runtime.most:
            job = self.jobs.popleft()
            if isinstance(job, Batch):
                self._release(job)
                continue
            lane = self._lane(job)
            if lane in busy:
                waiting.append(job)
            elif lane in self.held:
                self._answer(job, NotRun())
            else:
                busy |= {lane} - {None}
                self._start(job)
        self.jobs.extendleft(reversed(waiting))
        if not self.jobs and not self.running:
            self.flush()

    def _start(self, job: Job) -> None:
        runtime = self.runtime
        self.running.append(job)
        runtime.history.started(runtime.pod, self.name, job.id, job.epoch, job.record[3])
        is_timed = job.index in job.batch.timed
        runtime.history.traces.started(job.id, job.record[3], job.record[6] or [], is_timed)
        end, seconds = runtime.decide(job)
        runtime.clock.schedule(seconds, partial(self._end, job, self.process, end))

    def _end(self, job: Job, process: int, end: Outcome | str) -> None:
        if process != self.process or not self.is_alive:
            return
        if end == "down":
            self.runtime.go_down()
        elif isinstance(end, str):
            suspects = [job] if end == "Timeout" else self.running
            self.exit(end, suspects)
        else:
            self.running.remove(job)
            self.runtime.history.ended(self.runtime.pod, self.name, job.id)
            if isinstance(end, Failed) and (lane := self._lane(job)) is not None:
                self.held.add(lane)
            self._answer(job, end)
            self._go_on()

    def _answer(self, job: Job, outcome: Outcome) -> None:
        self.unsent.append((job, outcome))
        if self.runtime.rng.random() < 0.3:
            self.flush()

    def flush(self) -> None:
        """Sends the answers, by the batch."""
        answers, self.unsent = self.unsent, []
        for _, each in groupby(answers, lambda answer: answer[0].batch.id):
            group = list(each)
            batch = group[0][0].batch
            indexes = [job.index for job, _ in group]
            in_sequence = indexes == list(range(indexes[0], indexes[0] + len(indexes)))
            results = Results(batch.id, indexes[0], [outcome for _, outcome in group], None if in_sequence else indexes)
            self.runtime.inbox.append((WorkerAnswered(self.number, results), group))

    def exit(self, reason: str, suspects: list[Job]) -> None:
        """The process ends, and another is started. Answers that it did not send are lost with it, or not."""
        runtime = self.runtime
        if runtime.rng.random() < 0.5:
            self.flush()
        where = [(job.batch.id, job.index) for job in suspects]
        is_known = runtime.rng.random() > runtime.silent
        exited = WorkerExited(self.number, reason, "as planned", where) if is_known else None  # type: ignore[arg-type]
        told: list[tuple[Job, Outcome]] = []
        if not is_known or len(suspects) == 1 or reason == "Timeout":
            told = [(job, FAILURE) for job in (suspects if is_known else self.unanswered)]
        self.stop()
        runtime.inbox.append((WorkerGone(self.number, exited), told))
        runtime.clock.schedule(runtime.rng.uniform(0.01, 0.1), partial(self.start, runtime.session))

    def stop(self) -> None:
        for job in self.running:
            self.runtime.history.ended(self.runtime.pod, self.name, job.id)
        self.runtime.history.say(f"{self.runtime.pod} worker {self.name} ends")
        self.is_alive = False
        self.reset()

    def start(self, session: int) -> None:
        if session == self.runtime.session and not self.is_alive:
            self.process += 1
            self.is_alive = True
            self.runtime.inbox.append((Attached(self.number, self.runtime.most, self.process), []))


class Runtime:
    """The engine's link to its runtime, and the runtime."""

    def __init__(
        self,
        rng: random.Random,
        clock: Clock,
        history: History,
        port: Callable[[], None],
        pod: object,
        *,
        ordering: Ordering,
        is_async: bool,
        workers: int,
        on_failure: OnFailure,
        attempts: int,
    ) -> None:
        self.rng, self.clock, self.history, self._port, self.pod = rng, clock, history, port, pod
        self.ordering, self.is_async, self._on_failure, self._attempts = ordering, is_async, on_failure, attempts
        self.most = 6 if is_async else 1
        self.inbox: list[tuple[Event, list[tuple[Job, Outcome]]]] = []
        self.restarts: dict[str, int] = {}
        self.problem = None
        self.silent = 0.0
        """The share of deaths that nobody can explain."""
        self.is_mended = False
        """Whether the function was corrected: what failed for ever is ok."""
        self.session = 0
        self._most_workers = workers
        self.workers: list[Worker] = []
        self._failures: dict[Id, int] = {}
        self._join()

    def _join(self) -> None:
        self.session += 1
        processes = max((worker.process for worker in self.workers), default=0)
        self.workers = [Worker(self, number) for number in range(self.rng.randint(1, self._most_workers))]
        self.inbox.append((RuntimeJoined(len(self.workers)), []))
        for worker in self.workers:
            worker.process = processes
            self.clock.schedule(self.rng.uniform(0.0, 0.05), partial(worker.start, self.session))

    def go_down(self) -> None:
        """The runtime as a whole ends, and comes back."""
        self.session += 1
        for worker in self.workers:
            told: list[tuple[Job, Outcome]] = [(job, FAILURE) for job in worker.unanswered]
            if worker.is_alive:
                worker.stop()
                self.inbox.append((WorkerGone(worker.number, None), told))
        session = self.session
        self.clock.schedule(0.1, lambda: self._join() if session == self.session else None)

    # What the function does

    def decide(self, job: Job) -> tuple[Outcome | str, float]:
        """How it ends, and after how many seconds."""
        name, _, times = job.plan.partition("-")
        seconds = self.rng.choice([0.0001, 0.001, 0.005, 0.02])
        known = self.history.known[job.id]
        if (times and known.executions > int(times)) or (self.is_mended and name in _MENDABLE):
            name = "ok"
        if name == "fail":
            return FAILURE, seconds
        if name == "permanent":
            return Failed("FunctionFailed", "ValueError", "as planned", True), seconds
        if name == "timeout":
            return "Timeout", TIMEOUT
        if name == "crash":
            return self.rng.choice(["WorkerCrashed", "OutOfMemory"]), seconds
        if name == "down":
            return "down", seconds
        return self._succeeded(name, job), seconds

    def _succeeded(self, name: str, job: Job) -> Outcome:
        where = "/".join(map(str, job.id))
        if name == "filter":
            return None
        if name == "several":
            return Outputs([Output(f"{where}/{number}/several".encode()) for number in range(3)])
        if name == "split":
            topics = enumerate(["", OUTPUTS, ""])
            return Outputs([Output(f"{where}/{number}/split".encode(), topic=topic) for number, topic in topics])
        if name == "stray":
            return Outputs([Output(f"{where}/{n}/stray".encode(), topic=t) for n, t in enumerate(["", "elsewhere"])])
        if name == "mixed":
            shapes = enumerate(["several", "large", "several"])
            return Outputs([Output(f"{where}/{number}/{shape}".encode()) for number, shape in shapes])
        return f"{where}/0/{name}".encode()

    # The link

    @property
    def loaded(self) -> bool:
        return any(worker.is_alive for worker in self.workers)

    def wait(self, timeout: float) -> list[Event]:
        self._port()
        self.clock.wait(0.0002)
        self.clock.wait(timeout, lambda: self.inbox)
        count = self.rng.randint(1, len(self.inbox)) if self.inbox else 0
        taken, self.inbox = self.inbox[:count], self.inbox[count:]
        for event, answers in taken:
            if isinstance(event, Attached) and event.worker < len(self.workers):
                self.workers[event.worker].attached = event.process
            for job, outcome in answers:
                self._told(event, job, outcome)
        return [event for event, _ in taken]

    def _told(self, event: Event, job: Job, outcome: Outcome) -> None:
        """The engine gets to know of an outcome."""
        message = self.history.known[job.id]
        if isinstance(outcome, NotRun):
            return
        is_final = True
        if isinstance(outcome, Failed):
            self.history.blame(job.id, is_certain=not (isinstance(event, WorkerGone) and event.exited is None))
            is_final = outcome.permanent or job.record[3] >= self._attempts
            message.given_up = message.given_up or (is_final and self._on_failure == "Skip")
            is_final = is_final and self._on_failure in ("DeadLetter", "Skip")
        elif outcome is None:
            message.filtered = True
        else:
            message.succeeded = True
            # Its topic refuses it, which may be a failure of the message.
            message.given_up = message.given_up or (self._on_failure == "Skip" and job.plan in LARGE)
        if is_final and isinstance(event, WorkerAnswered):
            self.history.resolved(self.pod, job.epoch, job.id)

    def send(self, worker: int, batch: Batch) -> None:
        self._port()
        process = self.workers[worker] if worker < len(self.workers) else None  # it may be another runtime already
        if process is not None and process.is_alive and process.attached == process.process:
            process.feed(batch)

    def end(self, worker: int) -> None:
        if worker < len(self.workers) and self.workers[worker].is_alive:
            process = self.workers[worker]
            process.flush()
            process.stop()
            self.inbox.append((WorkerGone(worker, WorkerExited(worker, "Ended", "as told", [])), []))
            self.clock.schedule(0.05, partial(process.start, self.session))

    def detach(self, worker: int) -> None:
        self.history.fail(f"{self.pod} takes an answer of worker {worker} for one out of turn")

    def close(self) -> None:
        self.session += 1
        for worker in self.workers:
            if worker.is_alive:
                worker.stop()
