"""Every state of a replay with every answer and everything that a spec may ask for meanwhile."""

import dataclasses
from typing import Any

import pytest

from kafkatrigger.api.moves import Answer, Apply, Check, Follow, Group, Move, Resolve, Wish
from kafkatrigger.api.resources import KafkaTriggerStatus
from kafkatrigger.controller import replay
from kafkatrigger.controller.replay import Memory, State, Step, Wanted
from tests.unit.controller.helpers import accepted

GROUP = Group(("kafka:9092",), "plant-7.rul")
TOPICS = ("a", "b")
A, B = (Wanted(nonce, Wish(TOPICS, "earliest")) for nonce in ("A", "B"))
FOUND = (Move("a", 0, 5, 50, 40, "00ff", (41, 44)), Move("b", 3, 0, 0))
TARGETS = (Move("a", 0, 5, 50, topic_id="00ff"), Move("b", 3, 0, 0))
IDLE, HANDLED = Memory(), Memory("A", "A", "Done", moves=TARGETS)
STOPPING = Memory("old", "A", "Stopping")
MOVING = Memory("old", "A", "Moving", moves=TARGETS, dropped=2, dropped_messages=("a-0-41", "a-0-44"))
CATCHING_UP = dataclasses.replace(MOVING, handled="A", phase="CatchingUp")
REFUSED = Memory("old", "A", "Refused", "because")
FOUND_ALL, NOT_YET, NEVER, MOVED = Answer(FOUND), Answer(waiting="later"), Answer(refused="no"), Answer(moved=True)


def state(memory: Memory, wanted: Wanted | None, pods: int = 0) -> State:
    return State(GROUP, TOPICS, "", wanted, memory, pods, is_running=pods > 0)


def reached(step: Step) -> tuple[str, str, str]:
    """Handled nonce, nonce and phase."""
    return step.memory.handled, step.memory.nonce, step.memory.phase


CHECK_A, CHECK_B, RESOLVE = Check(GROUP, A.wish), Check(GROUP, B.wish), Resolve(GROUP, A.wish)
APPLY, FOLLOW = Apply(GROUP, "Replay:A", TARGETS), Follow(GROUP, TARGETS)

# The state; its errand and whether consumers are held; what comes of no answer, and of each that the errand can have.
TABLE: list[tuple[str, State, Any, bool, dict[Any, tuple[str, str, str]]]] = [
    ("nothing asked for", state(IDLE, None), None, False, {None: ("", "", "")}),
    ("new", state(IDLE, A, 1), CHECK_A, False, {
        None: ("", "", ""), NOT_YET: ("", "", ""), NEVER: ("", "A", "Refused"), FOUND_ALL: ("", "A", "Stopping")}),
    ("made with it", state(IDLE, A), CHECK_A, True, {None: ("", "", ""), FOUND_ALL: ("", "A", "Stopping")}),
    ("new after another", state(HANDLED, B, 1), CHECK_B, False, {
        None: ("A", "A", "Done"), NEVER: ("A", "B", "Refused"), FOUND_ALL: ("A", "B", "Stopping")}),
    ("new while the last catches up", state(CATCHING_UP, B, 1), CHECK_B, False, {
        None: ("A", "A", "CatchingUp"), FOUND_ALL: ("A", "B", "Stopping")}),
    ("new after a refusal", state(REFUSED, B, 1), CHECK_B, False, {NEVER: ("old", "B", "Refused"), FOUND_ALL: ("old", "B", "Stopping")}),
    ("pods drain", state(STOPPING, A, 2), None, True, {None: ("old", "A", "Stopping")}),
    ("pods have gone", state(STOPPING, A), RESOLVE, True, {
        None: ("old", "A", "Stopping"), NOT_YET: ("old", "A", "Stopping"), NEVER: ("old", "A", "Refused"), FOUND_ALL: ("old", "A", "Moving")}),
    ("taken back before anything moved", state(STOPPING, None, 1), None, False, {None: ("old", "", "")}),
    ("back to the last", state(STOPPING, Wanted("old", A.wish)), None, False, {None: ("old", "", "")}),
    ("another before anything moved", state(STOPPING, B), CHECK_B, True, {None: ("old", "A", "Stopping"), FOUND_ALL: ("old", "B", "Stopping")}),
    ("recorded", state(MOVING, A), APPLY, True, {
        None: ("old", "A", "Moving"), NOT_YET: ("old", "A", "Moving"), NEVER: ("old", "A", "Refused"), MOVED: ("A", "A", "CatchingUp")}),
    ("recorded, and a pod has come back", state(MOVING, A, 1), None, True, {None: ("old", "A", "Moving")}),
    ("recorded, then taken back", state(MOVING, None), APPLY, True, {None: ("old", "A", "Moving"), MOVED: ("A", "A", "CatchingUp")}),
    ("recorded, then another", state(MOVING, B), APPLY, True, {MOVED: ("A", "A", "CatchingUp")}),
    ("behind", state(CATCHING_UP, A, 1), FOLLOW, False, {
        None: ("A", "A", "CatchingUp"), NOT_YET: ("A", "A", "CatchingUp"), FOUND_ALL: ("A", "A", "CatchingUp")}),
    ("behind, then taken back", state(CATCHING_UP, None, 1), FOLLOW, False, {None: ("A", "A", "CatchingUp")}),
    ("done", state(HANDLED, A, 1), None, False, {None: ("A", "A", "Done")}),
    ("done and taken back", state(HANDLED, None, 1), None, False, {None: ("A", "A", "Done")}),
    ("refused", state(REFUSED, A, 1), None, False, {None: ("old", "A", "Refused")}),
    ("refused and taken back", state(REFUSED, None, 1), None, False, {None: ("old", "", "")}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("at", "errand", "held", "outcomes"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_every_step(at: State, errand: Any, held: bool, outcomes: dict[Any, tuple[str, str, str]]) -> None:
    assert replay.errand(at) == errand
    assert replay.holds(at) == held
    for answer, expected in outcomes.items():
        assert reached(replay.step(at, answer)) == expected, answer


def test_targets_are_recorded_before_they_are_applied() -> None:
    recorded = replay.step(state(STOPPING, A), FOUND_ALL).memory
    assert recorded == MOVING
    assert replay.errand(state(recorded, A)) == APPLY


def test_consumers_are_held_until_what_was_moved_is_stored() -> None:
    at = state(MOVING, A)
    assert reached(replay.step(at, MOVED)) == ("A", "A", "CatchingUp")
    assert replay.holds(at)


@pytest.mark.parametrize("memory", [IDLE, STOPPING, MOVING, CATCHING_UP, HANDLED, REFUSED])
def test_the_status_remembers_all(memory: Memory) -> None:
    stored = replay.as_status(memory)
    assert replay.remembered({"replay": stored}) == memory
    if stored:
        KafkaTriggerStatus.model_validate({"replay": stored})


def said(at: State, answer: Answer | None = None) -> tuple[str, str, str]:
    verdict = replay.step(at, answer).said
    return (verdict.status, verdict.reason, verdict.message) if verdict else ("", "", "")


@pytest.mark.parametrize(
    ("at", "answer", "status", "reason", "words"),
    [
        (state(IDLE, A), None, "True", "Checking", "asking the brokers"),
        (state(IDLE, A), NOT_YET, "True", "Checking", "later"),
        (state(IDLE, A), NEVER, "False", "ReplayRefused", "nothing was moved: no"),
        (state(REFUSED, A), None, "False", "ReplayRefused", "because"),
        (state(IDLE, A), FOUND_ALL, "True", "StoppingConsumers", "moves 2 partitions"),
        (state(STOPPING, A, 2), None, "True", "StoppingConsumers", "2 left"),
        (state(STOPPING, A), NOT_YET, "True", "StoppingConsumers", "later"),
        (state(MOVING, A), None, "True", "MovingOffsets", "moving 2 partitions"),
        (state(CATCHING_UP, A), None, "True", "CatchingUp", "2 partitions were moved"),
        (state(CATCHING_UP, A), FOUND_ALL, "True", "CatchingUp", "77 % of what it was about"),
        (state(HANDLED, A), None, "", "", ""),
        (state(IDLE, None), None, "", "", ""),
    ],
)
def test_the_condition(at: State, answer: Answer | None, status: str, reason: str, words: str) -> None:
    found = said(at, answer)
    assert found[:2] == (status, reason)
    assert words in found[2]


def test_caught_up() -> None:
    done = Answer((moved(FOUND[0], committed=50), FOUND[1]))
    step = replay.step(state(CATCHING_UP, A, 1), done)
    assert (step.memory.phase, step.said) == ("Done", None)
    assert [notice.reason for notice in step.notices] == ["ReplayFinished"]


def moved(move: Move, **changes: Any) -> Move:
    return Move(**{name: getattr(move, name) for name in move.__struct_fields__} | changes)


def test_what_is_forgotten_is_told() -> None:
    (notice,) = replay.step(state(MOVING, A), MOVED).notices
    assert notice.reason == "OffsetsMoved"
    assert "a-0-41, a-0-44" in notice.message


def test_a_topic_that_is_no_source_any_more_is_not_waited_for() -> None:
    at = dataclasses.replace(state(CATCHING_UP, A), topics=("b",))
    assert replay.errand(at) == Follow(GROUP, TARGETS[1:])


@pytest.mark.parametrize(
    ("moves", "expected"),
    [
        ((), 100),
        ((Move("a", 0, 5, 5),), 100),
        ((Move("a", 0, 5, 15, 5),), 0),
        ((Move("a", 0, 5, 15, None),), 0),
        ((Move("a", 0, 5, 15, 14), Move("a", 1, 0, 90, 200)), 99),
        ((Move("a", 0, 0, 1000, 999),), 99),
        ((Move("a", 0, 5, 15, 15),), 100),
    ],
)
def test_percent(moves: tuple[Move, ...], expected: int) -> None:
    assert replay.percent(moves) == expected


def test_the_wish_of_a_spec() -> None:
    given = {"nonce": "n", "from": "2026-05-31T00:00:00Z", "partitions": {"machine-data": {"10": 7, "2": 5}}}
    found = replay.wanted(accepted({"replay": given}).spec, ("machine-data",))
    assert found == Wanted(
        "n", Wish(("machine-data",), "2026-05-31T00:00:00Z", (("machine-data", 2, 5), ("machine-data", 10, 7)))
    )
    assert replay.wanted(accepted({}).spec, ("machine-data",)) is None


def test_a_deployment_that_nobody_looked_at_yet_is_no_reason_to_start_before_the_replay() -> None:
    made_with_none = State(GROUP, TOPICS, "", A, Memory(), pods=1, is_running=False)
    assert replay.holds(made_with_none)
    assert not replay.holds(dataclasses.replace(made_with_none, is_running=True)), "those that run go on"
