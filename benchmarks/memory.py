"""Memory of kafkatrigger's consumer process: at rest, and the most it has under load."""

from benchmarks import processes, rate
from benchmarks.cases import Case, Contestant
from benchmarks.contestants import Ours, running
from benchmarks.kafka import Kafka
from benchmarks.measured import Run


def measure(kafka: Kafka, case: Case, contestant: Contestant) -> Run:
    """One run: first with nothing to do, then with everything at once."""
    loaded = rate.measure(kafka, case, contestant)
    values = {"at rest, MiB": _at_rest(kafka, case, contestant), "under load, MiB": loaded.memory["consumer"]}
    return Run({**values, **loaded.values}, loaded.cpu, loaded.memory)


def _at_rest(kafka: Kafka, case: Case, contestant: Contestant) -> float:
    source, target = kafka.create(), kafka.create()
    try:
        with running(contestant, case.guarantee, kafka.bootstrap, source, target) as at_work:
            assert isinstance(at_work, Ours)
            at_work.pod.wait_ready()
            return processes.resident(at_work.processes()["consumer"])
    finally:
        kafka.delete(source)
        kafka.delete(target)
