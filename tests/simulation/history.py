"""What happened to each message, and whether it may: the promises, checked at every step."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable

from kafkatrigger.api.frames import Ordering
from kafkatrigger.consumer.offsets import LaneId, Position, lane_of
from tests.simulation.traces import Traces

Place = tuple[str, int]
"""Topic and partition."""
Id = tuple[str, int, int]
"""Topic, partition, offset."""


LARGE = ("large", "mixed", "stray")
"""Plans of messages whose results are refused."""

DEAD_LETTER = -1
FAILURE = -2
"""Numbers of what is published in the place of results; the latter answers a request."""

OUTPUTS = "outputs"
"""The topic that results may go to beside responses."""

SHORTEST_DELAY = 0.018
"""Seconds before the second attempt, with all the jitter that there may be."""


def request_of(of: Id, plan: str) -> bytes:
    """A message that is a request, and by its job is found again in the answer."""
    return json.dumps({"plan": plan, "job_id": "/".join(map(str, of))}).encode()


def plan_of(value: bytes) -> str:
    """Of a request, or of a message that is one."""
    return str(json.loads(value)["plan"]) if value.startswith(b"{") else value.decode()


class BrokenPromiseError(AssertionError):
    """A promise was broken."""


class Known:
    """One message of the source, and all that became of it."""

    def __init__(self, of: Id, key: bytes | None, plan: str, lane: LaneId) -> None:
        self.id = of
        self.key = key
        self.plan = plan
        """What the function does with it: see `runtime`."""
        self.lane = lane
        self.executions = 0
        self.blamed = 0
        """Attempts that ended in a failure which may be its own."""
        self.forgiven = 0
        """How often somebody had it tried again with all attempts."""
        self.failed_at = 0.0
        """When the engine was told of its latest failure."""
        self.attempts: dict[object, tuple[int, int]] = {}
        """By assignment, how often it had been forgiven and which attempt was its latest."""
        self.responses: Counter[int] = Counter()
        """How often each of its results was published."""
        self.dead_letters = 0
        self.failures = 0
        """How often a request was answered with a failure by the consumer."""
        self.filtered = False
        self.succeeded = False
        self.given_up = False
        """Its failure was final, and the trigger skips such messages."""
        self.skipped = False
        """Somebody decided so."""

    @property
    def expected(self) -> int:
        """How many results it has."""
        return 3 if self.plan in ("several", "mixed", "split") else 1

    def is_terminal(self, responds: bool) -> bool:
        written = len(self.responses) == self.expected if responds else self.succeeded
        return written or bool(self.dead_letters or self.failures) or self.filtered or self.given_up or self.skipped

    def __str__(self) -> str:
        return f"{self.id[0]}-{self.id[1]}@{self.id[2]} ({self.plan})"


class History:
    """Told by the world of all that happens."""

    def __init__(
        self, ordering: Ordering, attempts: int, is_exact: bool, responds: bool, seed: int = 0, is_request: bool = False
    ) -> None:
        self._ordering = ordering
        self._attempts = attempts
        self._is_exact = is_exact
        self._responds = responds
        self._is_request = is_request
        self.traces = Traces(seed, self.fail)
        self.known: dict[Id, Known] = {}
        self.lines: list[tuple[float, str]] = []
        self.now: Callable[[], float] = float
        self._unproven: dict[Place, dict[int, Known]] = defaultdict(dict)
        self._committed: dict[Place, Position] = {}
        self._running: dict[tuple[Place, LaneId], dict[tuple[object, object], Known]] = defaultdict(dict)
        """By lane, what runs at which worker of which pod."""
        self._resolved: dict[tuple[object, Place, LaneId], int] = {}
        """By assignment and lane, the highest offset of which the engine knows a final outcome."""
        self._starts: dict[tuple[object, Place, int], Position] = {}
        """What was committed when an assignment began, by its epoch."""
        self._epochs: Counter[tuple[object, Place]] = Counter()
        self._last_result: dict[tuple[str, Place, LaneId], int] = {}
        self.lost: set[Place] = set()
        """Partitions that were taken from a pod without its knowledge: two pods may have run them for a while."""

    def say(self, line: str) -> None:
        """For people who read the history of a seed."""
        self.lines.append((self.now(), line))

    def fail(self, sentence: str) -> None:
        self.say(f"VIOLATION {sentence}")
        raise BrokenPromiseError(sentence)

    # The source

    def appended(self, of: Id, key: bytes | None, plan: str) -> None:
        message = Known(of, key, plan, lane_of(self._ordering, key, of[2]))
        self.known[of] = message
        self._unproven[of[:2]][of[2]] = message
        self.say(f"append {message} key={key!r}")

    def assigned(self, pod: object, place: Place, start: int, committed: Position) -> None:
        """A pod begins with a partition where the commit says."""
        self._epochs[pod, place] += 1
        self._starts[pod, place, self._epochs[pod, place]] = committed
        self.say(f"{pod} is assigned {place[0]}-{place[1]} from {start}: {committed}")

    def committed(self, place: Place, at: Position, end: int) -> None:
        """The broker has a commit: all that it calls terminal has to be."""
        self.say(f"commit {place[0]}-{place[1]}: {at}")
        if at.watermark > end or at.bound > end:
            self.fail(f"a commit of {place} is beyond the end of the log, {end}: {at}")
        self._committed[place] = at
        unproven = self._unproven[place]
        for offset in [offset for offset in unproven if offset < at.bound]:
            message = unproven[offset]
            if not at.is_open(offset, message.lane):
                if not message.is_terminal(self._responds):
                    self.fail(f"{message} is lost: a commit calls it terminal ({at})")
                del unproven[offset]

    # Executions

    def started(self, pod: object, runner: object, of: Id, epoch: int, attempt: int) -> None:
        """A worker begins with a message."""
        message = self.known[of]
        message.executions += 1
        self.say(f"{pod} worker {runner} runs {message}, attempt {attempt}")
        place = of[:2]
        start = self._starts[pod, place, epoch]
        if not start.is_open(of[2], message.lane):
            self.fail(f"{message} runs again, though a commit called it terminal ({start})")
        if attempt > self._attempts:
            self.fail(f"{message} is run for the {attempt}th time, and {self._attempts} attempts are allowed")
        if self._is_request and attempt > 1 and not message.plan.startswith("fail"):
            self.fail(f"{message} is tried again, and it did not ask for that")
        if attempt - 1 > message.blamed:
            self.fail(f"{message} counts an attempt as an innocent: {attempt} after {message.blamed} failures")
        before = message.attempts.get((pod, epoch), (0, 0))
        if before[0] == message.forgiven and attempt < before[1]:
            self.fail(f"{message} has attempt {attempt} behind attempt {before[1]}")
        if before[0] == message.forgiven and 0 < before[1] < attempt:
            self._check_retry(message, attempt)
        message.attempts[pod, epoch] = message.forgiven, attempt
        if message.lane >= -1:
            self._check_order(pod, epoch, message)
        self._running[place, message.lane][runner, pod] = message

    def _check_retry(self, message: Known, attempt: int) -> None:
        """It was waited for, and the attempts used up are committed, where a commit can name them."""
        if self.now() < message.failed_at + SHORTEST_DELAY:
            self.fail(f"{message} is tried again {self.now() - message.failed_at:.4f} s after its failure")
        committed = self._committed[message.id[:2]]
        named = [each for each in committed.parked if each.lane == message.lane and each.offset <= message.id[2]]
        if message.id[:2] not in self.lost and (
            not named or (named[0].offset == message.id[2] and named[0].attempts < attempt - 1)
        ):
            self.fail(
                f"{message} is tried for the {attempt}th time, and what is committed does not say so: {committed}"
            )

    def _check_order(self, pod: object, epoch: int, message: Known) -> None:
        place = message.id[:2]
        beside = self._running[place, message.lane]
        if any(place not in self.lost or other[1] is pod for other in beside):
            self.fail(f"{message} runs beside {[str(each) for each in beside.values()]}, which is of the same lane")
        highest = self._resolved.get(((pod, epoch), place, message.lane), -1)
        if highest >= message.id[2]:
            self.fail(f"{message} runs behind offset {highest} of its lane")

    def ended(self, pod: object, runner: object, of: Id) -> None:
        """The worker is done with it, in whatever way."""
        self._running[of[:2], self.known[of].lane].pop((runner, pod), None)

    def blame(self, of: Id, is_certain: bool) -> None:
        """An attempt failed, and the engine is told so, or may guess it."""
        self.known[of].blamed += 1
        if is_certain:
            self.known[of].failed_at = self.now()

    def resolved(self, pod: object, epoch: int, of: Id) -> None:
        """The engine was told of an outcome that is final."""
        message = self.known[of]
        place = of[:2]
        where = (pod, epoch), place, message.lane
        self._resolved[where] = max(self._resolved.get(where, -1), of[2])

    def epoch(self, pod: object, place: Place) -> int:
        """Of the pod's latest assignment of the partition."""
        return self._epochs[pod, place]

    # Results

    def published(self, topic: str, of: Id, number: int) -> None:
        """A result, or what takes its place, can be read."""
        message = self.known[of]
        self.say(f"{topic} <- {message} #{number}")
        if number >= 0 and message.plan == "stray":
            self.fail(f"{message} has a result, and one of them goes to no topic that the trigger names")
        if number == DEAD_LETTER:
            message.dead_letters += 1
        elif number == FAILURE:
            message.failures += 1
        else:
            message.responses[number] += 1
        ends = message.dead_letters + message.failures + max(message.responses.values(), default=0)
        if self._is_exact and ends > 1:
            self.fail(f"{message} was published twice under ExactlyOnce")
        self._check_result_order(topic, message, number)

    def _check_result_order(self, topic: str, message: Known, number: int) -> None:
        """Of each lane, results appear for the first time in the order of the messages, and of each message in theirs."""
        place = message.id[:2]
        counts = {DEAD_LETTER: message.dead_letters, FAILURE: message.failures}
        is_first = counts.get(number, message.responses[number]) == 1
        # It was terminal before, and that was not committed: it runs again, and may end otherwise.
        others = [counts[each] for each in counts if each != number] + ([len(message.responses)] if number < 0 else [])
        if message.given_up or any(others):
            return
        # What a topic refused becomes a dead letter later than others; what somebody decided may be forgotten in a crash.
        if message.lane < -1 or not is_first or place in self.lost or message.plan in LARGE or message.forgiven:
            return
        where = topic, place, message.lane
        at = message.id[2] * 10 + max(number, 0)
        if self._last_result.get(where, -1) > at:
            self.fail(f"the result {number} of {message} is published behind one of a later message of its lane")
        self._last_result[where] = at

    # At rest

    def at_rest(self, ends: Iterable[tuple[Place, int, Position]]) -> None:
        """All faults are over and nothing is under way: everything has come to an end, and is committed."""
        for place, end, committed in ends:
            if committed.watermark != end or committed.parked or committed.open:
                self.fail(f"{place} rests at {committed}, and its log ends at {end}")
        for message in self.known.values():
            if not message.is_terminal(self._responds):
                self.fail(f"{message} is lost")
            if self._is_request and message.dead_letters:
                self.fail(f"{message} is a request, and ended in a dead letter instead of an answer")
            if self._is_exact and message.responses and len(message.responses) != message.expected:
                self.fail(f"{message} has only the results {sorted(message.responses)}")
