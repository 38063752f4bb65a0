"""The cases: who does what with which messages, and what is to be reached. Pure data."""

from dataclasses import dataclass, field, replace
from typing import Literal

from benchmarks.loads import KEYS, Load
from benchmarks.programs.work import BURN_SECONDS, WAIT_SECONDS
from benchmarks.targets import Target

PARTITIONS = 8
LINGER_MS = 2
"""Of every contestant: what kafkatrigger's producer has."""

FILTER = "value.value > 10"

Guarantee = Literal["AtLeastOnce", "ExactlyOnce"]
Program = Literal["kafkatrigger", "bare loop", "Quix Streams", "FastStream", "parallel-consumer"]
Measure = Literal["rate", "latency", "memory", "recovery"]
Protocol = Literal["Auto", "Classic", "Consumer"]


@dataclass(frozen=True)
class Contestant:
    """A program with its settings, of which only those of kafkatrigger differ within a case."""

    program: Program
    messages: int = 0
    """How many it is given: so many that it runs for some seconds."""
    name: str = ""
    """What the table calls it; the program's name without it."""
    workers: int = 2
    function: str = "work:handler"
    """Empty where messages are requests."""
    filter: str | None = None
    protocol: Protocol = "Auto"
    rate: int = 0
    """Messages a second that are generated for it, where it is not given all of them at once."""
    share: float = 0.0
    """Instead of `rate`: this share of the most that kafkatrigger reaches."""

    @property
    def label(self) -> str:
        """What the table calls it."""
        return self.name or self.program


@dataclass(frozen=True)
class Case:
    """One table."""

    name: str
    title: str
    measure: Measure
    contestants: tuple[Contestant, ...]
    guarantee: Guarantee = "AtLeastOnce"
    load: Load = field(default_factory=lambda: Load(0))
    targets: tuple[Target, ...] = ()

    @property
    def settings(self) -> str:
        """What all contestants of it have in common, in words."""
        keys = {
            "uniform": f"{KEYS:,} keys in turn",
            "zipf": f"{KEYS:,} keys, Zipf 1.1",
            "hot": f"half of one key, half of {KEYS:,} in turn",
        }
        value = f"requests for {self.load.requested}" if self.load.requested else f"JSON of {self.load.size:,} B"
        return f"{self.guarantee}, {value}, {keys[self.load.keys]}, {PARTITIONS} partitions"

    def resized(self, messages: int) -> "Case":
        """The same with at most so many messages for each contestant."""
        return replace(
            self, contestants=tuple(replace(each, messages=min(each.messages, messages)) for each in self.contestants)
        )


OURS, BARE, QUIX = "kafkatrigger", "bare loop", "Quix Streams"
_FAST, _QUIX, _SLOW = 4_000_000, 600_000, 100_000


def _at_least(ratio: float, than: str, contestant: str = OURS) -> Target:
    return Target(f"{contestant} >= {ratio:g} x {than}", contestant, "rate", at_least=ratio, than=than)


def _no_busier(than: str) -> Target:
    """What decides where there is a core for each process: the rate compares, on fewer, several processes with one."""
    return Target(f"{OURS}'s busiest thread <= the {than}'s", OURS, "busiest thread, us", at_most=1.0, than=than)


def _stateless(name: str, title: str, load: Load, guarantee: Guarantee, *others: Contestant) -> Case:
    fast = _FAST if load.size <= 150 else _FAST // 4
    contestants = (
        Contestant("bare loop", fast),
        Contestant("kafkatrigger", fast),
        Contestant("kafkatrigger", fast, f"{OURS}, 1 worker", workers=1),
        *others,
    )
    targets = [_at_least(1.0, BARE), _no_busier(BARE)]
    if others:
        targets.append(_at_least(4.0, QUIX))
    return Case(name, title, "rate", contestants, guarantee, load, tuple(targets))


def _waiting() -> Case:
    limit = KEYS / WAIT_SECONDS
    contestants = (
        Contestant("kafkatrigger", 1_000_000, function="work:wait"),
        Contestant("parallel-consumer", 60_000),
    )
    targets = (
        _at_least(8.0, "parallel-consumer"),
        Target(f"{OURS} >= 0.55 of keys / wait ({limit:,.0f}/s)", OURS, "rate", at_least=0.55 * limit),
        Target(f"{OURS}: no order violation", OURS, "violations", at_most=0),
    )
    return Case("wait", "5 ms of waiting a message", "rate", contestants, load=Load(0), targets=targets)


def _burning() -> Case:
    counts = (1, 2, 4)
    contestants = tuple(
        Contestant("kafkatrigger", 8_000 * n, _workers(n), workers=n, function="work:burn") for n in counts
    )
    targets = tuple(
        Target(f"{_workers(n)} >= 0.85 x {n} a ms", _workers(n), "rate", 0.85 * n / BURN_SECONDS, cores=n + 1)
        for n in counts
    )
    return Case("cpu", "1 ms of CPU a message", "rate", contestants, load=Load(0), targets=targets)


def _workers(n: int) -> str:
    return f"{OURS}, {n} worker{'s' if n > 1 else ''}"


def _filtering() -> Case:
    filtered = f"{OURS}, filtered"
    contestants = (Contestant("kafkatrigger", _FAST), Contestant("kafkatrigger", _FAST, filtered, filter=FILTER))
    targets = (_at_least(0.3, OURS, filtered),)
    return Case("filter", f"With the CEL filter `{FILTER}`, which half pass", "rate", contestants, targets=targets)


def _requesting(requested: str, title: str, messages: int, rate: float) -> Case:
    contestants = tuple(Contestant("kafkatrigger", messages * n, _workers(n), workers=n, function="") for n in (1, 2))
    targets = (Target(f"{_workers(1)} >= {rate:,.0f}/s", _workers(1), "rate", at_least=rate),)
    return Case(f"request-{requested}", title, "rate", contestants, load=Load(0, requested=requested), targets=targets)


def _latency(guarantee: Guarantee, p99: float) -> Case:
    steady, calm, half = 5_000, 1_000, f"{OURS}, half its maximum"
    contestants = (
        Contestant("kafkatrigger", rate=steady),
        Contestant("bare loop", rate=steady),
        # Where single messages at the steady rate take more than two cores, this is what is left to see.
        Contestant("kafkatrigger", name=f"{OURS}, {calm:,}/s", rate=calm),
        Contestant("bare loop", name=f"bare loop, {calm:,}/s", rate=calm),
        Contestant("kafkatrigger", name=half, share=0.5),
        Contestant("bare loop", name="bare loop, the same rate", share=0.5),
    )
    targets = [
        Target(f"{OURS} at {steady:,}/s: p99 <= {p99:g} ms", OURS, "p99", at_most=p99),
        Target(f"{half}: p99 <= 1.25 x the bare loop's", half, "p99", at_most=1.25, than="bare loop, the same rate"),
    ]
    if guarantee == "AtLeastOnce":
        targets.insert(0, Target(f"{OURS} at {steady:,}/s: p50 <= 5 ms", OURS, "p50", at_most=5))
    name = "latency" if guarantee == "AtLeastOnce" else "latency-exactly-once"
    title = f"Latency, {guarantee}: message timestamp to response visible"
    return Case(name, title, "latency", contestants, guarantee, Load(0), tuple(targets))


def _memory() -> Case:
    targets = (
        Target("consumer at rest <= 60 MiB", OURS, "at rest, MiB", at_most=60),
        Target("consumer under load <= 250 MiB", OURS, "under load, MiB", at_most=250),
    )
    title = "Memory of the consumer process"
    return Case(
        "memory", title, "memory", (Contestant("kafkatrigger", 2_000_000),), load=Load(0, 1024), targets=targets
    )


def _recovery() -> Case:
    limits: dict[Protocol, float] = {"Classic": 20.0, "Consumer": 60.0}
    names = {protocol: f"{OURS}, {protocol.lower()} protocol" for protocol in limits}
    contestants = tuple(
        Contestant("kafkatrigger", name=names[protocol], workers=1, protocol=protocol, rate=1_000)
        for protocol in limits
    )
    targets = tuple(
        Target(f"{names[protocol]} <= {limit:.0f} s", names[protocol], "recovery, s", at_most=limit)
        for protocol, limit in limits.items()
    )
    title = "Recovery: one of two pods is killed, until its partitions flow again"
    return Case("recovery", title, "recovery", contestants, load=Load(0), targets=targets)


_QUIX_STREAMS = Contestant("Quix Streams", _QUIX)

CASES = (
    _stateless("at-least-once", "A stateless function", Load(0), "AtLeastOnce", _QUIX_STREAMS,
               Contestant("FastStream", _SLOW)),
    _stateless("exactly-once", "The same in transactions", Load(0), "ExactlyOnce", _QUIX_STREAMS),
    _stateless("large", "A stateless function, 1 KiB", Load(0, 1024), "AtLeastOnce"),
    _stateless("large-exactly-once", "The same in transactions, 1 KiB", Load(0, 1024), "ExactlyOnce"),
    _stateless("zipf", "A stateless function, skewed keys", Load(0, keys="zipf"), "AtLeastOnce"),
    _stateless("hot", "A stateless function, one hot key", Load(0, keys="hot"), "AtLeastOnce"),
    _waiting(),
    _burning(),
    _filtering(),
    _requesting("nothing", "Requests for a component that does nothing: hetida designer's 220/s times 40", 100_000, 8_800),
    _requesting("RUL", "Requests for a workflow of five components, 1,000 points: its 67/s times 5", 4_000, 335),
    _latency("AtLeastOnce", 25),
    _latency("ExactlyOnce", 150),
    _memory(),
    _recovery(),
)  # fmt: skip


def find(name: str) -> Case:
    """The case of this name; ValueError, which names those that exist, when there is none."""
    for case in CASES:
        if case.name == name:
            return case
    raise ValueError(f"no such case: {name}; there are: {', '.join(case.name for case in CASES)}")
