"""Replay: from a new nonce to a group that has caught up. Pure; `status.replay` is all that it remembers.

                          ┌───────────── refused ────────────▶ Refused: nothing was moved
    a new nonce ──check───┤                   ▲
                          └─▶ Stopping ──resolve──▶ Moving ──apply──▶ CatchingUp ──▶ Done
                              no pods, empty group;  targets recorded;  handledNonce recorded;
                              still held             still held         consumers start

Each reconcile takes one step from what is stored. The new memory is written at the end of that reconcile, and the next
step is taken from what the API server stored, so whatever is done between two writes may be done again after a restart:
to check and to resolve change nothing, and to apply the recorded targets again, to the group and to the checkpoint,
changes nothing while no consumer has run, which is so until `handledNonce` is stored.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from kafkatrigger.api.moves import Answer, Apply, Check, Errand, Follow, Group, Move, Resolve, Wish
from kafkatrigger.api.resources import KafkaTriggerSpec
from kafkatrigger.api.topic_pattern import matching
from kafkatrigger.controller.cache import Body
from kafkatrigger.controller.conditions import Verdict, no, yes
from kafkatrigger.controller.events import Notice

STOPPING, MOVING, CATCHING_UP, DONE, REFUSED = "Stopping", "Moving", "CatchingUp", "Done", "Refused"

HOLD = no("Replaying", "no consumers run while their offsets are moved: see the condition Replaying")
"""Why a trigger has no pods for a while."""

LISTED = 100
"""Most keys that are named as forgotten."""


@dataclass(frozen=True)
class Memory:
    """What `status.replay` says."""

    handled: str = ""
    """The last nonce whose offsets were moved."""
    nonce: str = ""
    """The one in work, or the last."""
    phase: str = ""
    message: str = ""
    moves: tuple[Move, ...] = ()
    dropped: int = 0
    """Keys that wait with a failed message, and are made forget it."""
    dropped_messages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wanted:
    """What `spec.replay` says."""

    nonce: str
    wish: Wish


@dataclass(frozen=True)
class State:
    """All that the next step is taken from."""

    group: Group
    topics: tuple[str, ...]
    pattern: str
    """Instead of `topics`."""
    wanted: Wanted | None
    memory: Memory
    pods: int
    """That there are, those on their way out included; the Deployment counts as one until it is known to make no more."""
    is_running: bool
    """There are pods, or the Deployment is to make some: one that was made with none is not, though nobody looked at it yet."""


@dataclass(frozen=True)
class Step:
    """What comes of it."""

    memory: Memory
    said: Verdict | None = None
    """The condition Replaying, where it applies."""
    notices: tuple[Notice, ...] = field(default=())


NOTHING = Step(Memory())
"""Of a trigger that was never replayed."""


def wanted(spec: KafkaTriggerSpec, topics: tuple[str, ...]) -> Wanted | None:
    """What a spec asks for."""
    replay = spec.replay
    if replay is None:
        return None
    named = tuple(
        sorted((topic, int(number), offset) for topic, of in replay.partitions.items() for number, offset in of.items())
    )
    start = "" if replay.start is None else str(replay.start)
    return Wanted(replay.nonce, Wish(topics, start, named, spec.source.topic_pattern or ""))


def holds(state: State) -> bool:
    """Whether there may be no consumers. By what is stored: a memory that was not written yet starts none.

    While a new wish is looked at those that run go on, and none start: a trigger that is made with a replay begins there.
    """
    memory = state.memory
    is_stopped_for_it = memory.phase == STOPPING and _is_at_work(state)
    return memory.phase == MOVING or is_stopped_for_it or (_new(state) is not None and not state.is_running)


def errand(state: State) -> Errand | None:
    """What the brokers have to be asked for the next step."""
    memory, group = state.memory, state.group
    if memory.phase == MOVING:
        return None if state.pods else Apply(group, reason(memory.nonce), _bare(memory.moves))
    if new := _new(state):
        return Check(group, new.wish)
    if memory.phase == STOPPING and state.wanted and _is_at_work(state):
        return None if state.pods else Resolve(group, state.wanted.wish)
    return Follow(group, _bare(_consumed(state))) if memory.phase == CATCHING_UP else None


def step(state: State, answer: Answer | None) -> Step:
    """The next step; `answer` is that of the errand, None while there is none."""
    memory = state.memory
    if memory.phase == MOVING:
        return _apply(state, answer)
    if new := _new(state):
        return _check(memory, new, answer)
    if memory.phase in (STOPPING, REFUSED) and not _is_at_work(state):
        return Step(Memory(handled=memory.handled))
    if memory.phase == STOPPING:
        return _resolve(state, answer)
    if memory.phase == REFUSED:
        return Step(memory, no("ReplayRefused", memory.message))
    return _follow(state, answer) if memory.phase == CATCHING_UP else Step(memory)


def reason(nonce: str) -> str:
    """Why the partitions start where they do, in the metadata of their commits."""
    return f"Replay:{nonce}"


def _new(state: State) -> Wanted | None:
    """A wish that nobody has begun with."""
    new = state.wanted
    return new if new and new.nonce not in (state.memory.handled, state.memory.nonce) else None


def _is_at_work(state: State) -> bool:
    return state.wanted is not None and state.wanted.nonce == state.memory.nonce


def _check(memory: Memory, new: Wanted, answer: Answer | None) -> Step:
    """Before anything is stopped: what cannot be moved costs nobody a pause."""
    if answer is None or answer.waiting:
        return Step(memory, yes("Checking", _waiting(f"replay {new.nonce}: asking the brokers where it goes", answer)))
    if answer.refused:
        return _refused(memory, new.nonce, answer.refused)
    begun = Memory(handled=memory.handled, nonce=new.nonce, phase=STOPPING)
    text = f"replay {new.nonce} moves {_partitions(len(answer.moves))}: the consumers stop for it"
    return Step(begun, yes("StoppingConsumers", text), (Notice("Normal", "ReplayStarted", text),))


def _resolve(state: State, answer: Answer | None) -> Step:
    memory = state.memory
    if state.pods:
        text = f"replay {memory.nonce}: waiting until the pods have drained ({state.pods} left)"
        return Step(memory, yes("StoppingConsumers", text))
    if answer is None or answer.waiting:
        return Step(
            memory, yes("StoppingConsumers", _waiting(f"replay {memory.nonce}: the consumers have stopped", answer))
        )
    if answer.refused:
        return _refused(memory, memory.nonce, answer.refused)
    dropped = [f"{move.topic}-{move.partition}-{offset}" for move in answer.moves for offset in move.parked]
    recorded = replace(
        memory, phase=MOVING, moves=_bare(answer.moves), dropped=len(dropped), dropped_messages=tuple(dropped[:LISTED])
    )
    return Step(recorded, _moving(recorded, None))


def _apply(state: State, answer: Answer | None) -> Step:
    memory = state.memory
    if answer and answer.refused:
        return _refused(memory, memory.nonce, answer.refused)
    if answer is None or not answer.moved:
        return Step(memory, _moving(memory, answer))
    moved = replace(memory, handled=memory.nonce, phase=CATCHING_UP)
    return Step(moved, _catching_up(moved, memory.moves), (Notice("Normal", "OffsetsMoved", _moved_text(memory)),))


def _follow(state: State, answer: Answer | None) -> Step:
    memory = state.memory
    moves = answer.moves if answer and not (answer.waiting or answer.refused) else None
    if moves is None:
        return Step(memory, _catching_up(memory, None))
    if all((move.committed or 0) >= move.end for move in moves):
        text = f"replay {memory.nonce}: all that it was about has run"
        return Step(replace(memory, phase=DONE), None, (Notice("Normal", "ReplayFinished", text),))
    return Step(memory, _catching_up(memory, moves))


def _consumed(state: State) -> tuple[Move, ...]:
    """Of the targets those whose topic is still a source."""
    moved = {move.topic for move in state.memory.moves}
    sources = matching(state.pattern, moved) if state.pattern else state.topics
    return tuple(move for move in state.memory.moves if move.topic in sources)


def _refused(memory: Memory, nonce: str, why: str) -> Step:
    text = f"replay {nonce} was refused, and nothing was moved: {why}"
    refused = Memory(handled=memory.handled, nonce=nonce, phase=REFUSED, message=text)
    return Step(refused, no("ReplayRefused", text), (Notice("Warning", "ReplayRefused", text),))


def _moving(memory: Memory, answer: Answer | None) -> Verdict:
    text = f"replay {memory.nonce}: moving {_partitions(len(memory.moves))}"
    return yes("MovingOffsets", _waiting(text, answer))


def _catching_up(memory: Memory, moves: tuple[Move, ...] | None) -> Verdict:
    share = "" if moves is None else f", {percent(moves)} % of what it was about has run"
    return yes("CatchingUp", f"replay {memory.nonce}: offsets of {_partitions(len(memory.moves))} were moved{share}")


def percent(moves: tuple[Move, ...]) -> int:
    """How much of the way the group has gone; 100 only at the end of it."""
    whole = sum(move.end - move.start for move in moves)
    gone = sum(min(max(0, (move.committed or 0) - move.start), move.end - move.start) for move in moves)
    return 100 * gone // whole if whole > 0 else 100


def _waiting(text: str, answer: Answer | None) -> str:
    return f"{text}; {answer.waiting}" if answer and answer.waiting else text


def _moved_text(memory: Memory) -> str:
    text = f"replay {memory.nonce}: offsets of {_partitions(len(memory.moves))} were moved, and the consumers start"
    if not memory.dropped:
        return text
    more = " and others" if memory.dropped > len(memory.dropped_messages) else ""
    return f"{text}. Keys that waited with these messages wait no more: {', '.join(memory.dropped_messages)}{more}"


def _partitions(count: int) -> str:
    return "1 partition" if count == 1 else f"{count} partitions"


def _bare(moves: tuple[Move, ...]) -> tuple[Move, ...]:
    """Only what is recorded, so that the errand is the same after a restart."""
    return tuple(Move(each.topic, each.partition, each.start, each.end, topic_id=each.topic_id) for each in moves)


def remembered(status: Body) -> Memory:
    """What a trigger's status says of its replay."""
    stored: Body = status.get("replay") or {}
    dropped: Body = stored.get("dropped") or {}
    return Memory(
        handled=stored.get("handledNonce", ""),
        nonce=stored.get("nonce", ""),
        phase=stored.get("phase", ""),
        message=stored.get("message", ""),
        moves=tuple(sorted(_stored_moves(stored), key=lambda move: (move.topic, move.partition))),
        dropped=dropped.get("count", 0),
        dropped_messages=tuple(dropped.get("messages", ())),
    )


def _stored_moves(stored: Body) -> Iterator[Move]:
    ids = stored.get("topicIds", {})
    for topic, partitions in stored.get("partitions", {}).items():
        for number, at in partitions.items():
            yield Move(topic, int(number), at["from"], at["to"], topic_id=ids.get(topic, ""))


def as_status(memory: Memory) -> dict[str, Any]:
    """The same as the status has it; empty where there is nothing to remember."""
    said = {"nonce": memory.nonce, "handledNonce": memory.handled, "phase": memory.phase, "message": memory.message}
    result: dict[str, Any] = {name: value for name, value in said.items() if value}
    if memory.moves:
        by_topic = groupby(memory.moves, key=lambda move: move.topic)
        result["partitions"] = {
            topic: {str(move.partition): {"from": move.start, "to": move.end} for move in moves}
            for topic, moves in by_topic
        }
        result["topicIds"] = {move.topic: move.topic_id for move in memory.moves if move.topic_id}
    if memory.dropped:
        result["dropped"] = {"count": memory.dropped, "messages": list(memory.dropped_messages)}
    return result
