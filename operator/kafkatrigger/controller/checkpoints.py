"""What becomes of a checkpoint when pods say how far they are. Pure; `api.checkpoint` explains the whole."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from zlib import crc32

import msgspec

from kafkatrigger.api.checkpoint import CHUNKS, Checkpoint, Mark, is_another
from kafkatrigger.api.configure import redrive_topic
from kafkatrigger.api.moves import Move
from kafkatrigger.api.topic_pattern import matching
from kafkatrigger.controller.cache import Body, Trigger
from kafkatrigger.controller.desired import Manifest, owner_of
from kafkatrigger.controller.names import CHUNKED, checkpoint_labels, checkpoint_name
from kafkatrigger.controller.observation import Observation
from kafkatrigger.controller.reports import Report
from kafkatrigger.kafka.brokers import FoundTopic

LARGEST = 800 * 1024
"""Bytes of a checkpoint in one ConfigMap, which holds a mebibyte; a larger one is in CHUNKS of them."""
SHOWN = 1000
"""Most partitions whose timestamps the status has."""

Timestamps = dict[str, dict[str, int]]


@dataclass(frozen=True)
class Stored:
    """A checkpoint as it is in the cluster."""

    marks: Checkpoint
    chunks: int = 0
    """ConfigMaps; 0 where there is none."""


def following(before: Stored, seen: Observation, reports: Mapping[str, Report]) -> Stored | None:
    """The next checkpoint; `reports` are by the pods' uid. None where it cannot be taken yet.

    A first one waits until every pod that should be there has answered and every partition is known: one that it had not
    would later be taken for new.
    """
    pods = seen.workload.staying if seen.workload else []
    staying = [reports.get(pod.uid) for pod in pods]
    # Not of a trigger that had the name before.
    ours = [each for each in reports.values() if each.group_id == seen.group_id]
    marks = merge(before.marks, ours, _consumed(before.marks, seen, ours), _found(seen))
    told = len(pods) >= seen.desired and all(each and each.settled for each in staying)
    # The topics of a pattern are what the group was given, so all pods together know them.
    is_whole = told and (bool(seen.topic_pattern) or covers(marks, seen.topics, _found(seen)))
    return _stored(before, marks) if before.marks or is_whole else None


def moved(before: Stored, seen: Observation, moves: Iterable[Move]) -> Stored | None:
    """The checkpoint after a replay, which alone takes offsets back. None where there is none and the moves make none.

    The timestamps of the partitions are unknown until something of them has run.
    """
    marks = {topic: dict(partitions) for topic, partitions in before.marks.items()}
    for move in moves:
        marks.setdefault(move.topic, {})[str(move.partition)] = Mark(move.start, None, move.topic_id)
    return _stored(before, marks) if before.marks or covers(marks, seen.topics, _found(seen)) else None


def _stored(before: Stored, marks: Checkpoint) -> Stored:
    return Stored(marks, chunks_needed(marks, before.chunks))


def _found(seen: Observation) -> tuple[FoundTopic, ...]:
    return seen.finding.topics if seen.finding else ()


def _consumed(before: Checkpoint, seen: Observation, reports: Iterable[Report]) -> set[str]:
    redrive = redrive_topic(seen.group_id)
    if not seen.topic_pattern:
        return {*seen.topics, redrive}
    known = {*before, *(held.topic for report in reports for held in report.partitions)}
    return {*matching(seen.topic_pattern, known), redrive}


def merge(
    before: Checkpoint, reports: Iterable[Report], consumed: Collection[str], found: Iterable[FoundTopic]
) -> Checkpoint:
    """The checkpoint before, with what the pods say. Nothing is forgotten of a topic that is consumed."""
    ids = {topic.name: topic.topic_id for topic in found}
    merged = {topic: dict(marks) for topic, marks in before.items() if topic in consumed}
    for topic, partition, mark in _marks(reports):
        if topic in consumed and not is_another(mark.topic_id, ids.get(topic, "")):
            marks = merged.setdefault(topic, {})
            marks[partition] = _later(marks.get(partition), mark)
    return merged


def covers(checkpoint: Checkpoint, topics: Iterable[str], found: Iterable[FoundTopic]) -> bool:
    """Whether it has all partitions of the topics. A first one that had not would make them new ones later."""
    counts = {topic.name: topic.partitions for topic in found}
    return all(
        topic in counts and all(str(number) in checkpoint.get(topic, {}) for number in range(counts[topic]))
        for topic in topics
    )


def timestamps(checkpoint: Checkpoint, group_id: str) -> Timestamps:
    """What the status shows of it: all or nothing of the source topics."""
    topics = checkpoint.keys() - {redrive_topic(group_id)}
    if sum(len(checkpoint.get(topic, {})) for topic in topics) > SHOWN:
        return {}
    known = {
        topic: {
            number: mark.timestamp for number, mark in checkpoint.get(topic, {}).items() if mark.timestamp is not None
        }
        for topic in sorted(topics)
    }
    return {topic: marks for topic, marks in known.items() if marks}


def manifests(trigger: Trigger, wanted: Stored) -> list[Manifest]:
    """The ConfigMaps, in the order in which they are written.

    The first comes last: it says how many there are, and what it gives up has to be in the others before.
    """
    parts = _split(wanted.marks, wanted.chunks)
    return [_config_map(trigger, chunk, parts[chunk], wanted) for chunk in reversed(range(wanted.chunks))]


def chunks_needed(marks: Checkpoint, before: int) -> int:
    """One, or all there can be: a partition moves to another ConfigMap once in its life at most."""
    return 1 if before <= 1 and len(msgspec.json.encode(marks)) <= LARGEST else CHUNKS


def parse(first: Body, others: Iterable[Body]) -> Stored:
    """The checkpoint in these ConfigMaps; msgspec.DecodeError where somebody else wrote into them."""
    marks: Checkpoint = {}
    for body in (first, *others):
        for text in (body.get("data") or {}).values():
            for topic, found in msgspec.json.decode(text, type=Checkpoint).items():
                marks.setdefault(topic, {}).update(found)
    return Stored(marks, chunk_count(first))


def unreadable(first: Body) -> Stored:
    """A checkpoint that somebody else wrote into or took parts of: there is none, in as many ConfigMaps as before."""
    return Stored({}, chunk_count(first))


def chunk_count(first: Body) -> int:
    """How many ConfigMaps the first one speaks of."""
    text = (first["metadata"].get("annotations") or {}).get(CHUNKED, "1")
    return CHUNKS if text == str(CHUNKS) else 1


def _marks(reports: Iterable[Report]) -> Iterator[tuple[str, str, Mark]]:
    for report in reports:
        for held in report.partitions:
            if held.committed is not None:
                yield held.topic, str(held.partition), Mark(held.committed, held.timestamp, held.topic_id)


def _later(before: Mark | None, found: Mark) -> Mark:
    """What a pod said a while ago takes nothing back, but a topic that was made anew begins anew."""
    if before is None or is_another(before.topic_id, found.topic_id):
        return found
    if found.offset < before.offset:
        return before
    known = before.timestamp if found.timestamp is None else found.timestamp
    return Mark(found.offset, known, found.topic_id or before.topic_id)


def _split(marks: Checkpoint, chunks: int) -> list[Checkpoint]:
    parts: list[Checkpoint] = [{} for _ in range(chunks)]
    for topic in sorted(marks):
        for partition in sorted(marks[topic], key=int):
            part = parts[crc32(f"{topic}/{partition}".encode()) % chunks]
            part.setdefault(topic, {})[partition] = marks[topic][partition]
    return parts


def _config_map(trigger: Trigger, chunk: int, part: Checkpoint, wanted: Stored) -> Manifest:
    metadata = {
        "name": checkpoint_name(trigger.key.name, chunk),
        "namespace": trigger.key.namespace,
        "labels": checkpoint_labels(trigger.key.name),
        "annotations": {CHUNKED: str(wanted.chunks)} if chunk == 0 else {},
        "ownerReferences": [owner_of(trigger)],
    }
    text = msgspec.json.encode(part).decode()
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {f"{chunk}.json": text}}
