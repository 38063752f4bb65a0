"""Who holds a consumer group."""

from typing import Any

from kafkatrigger.controller.cache import Key
from kafkatrigger.controller.groups import Claim, Groups
from tests.unit.controller.helpers import accepted

OLD, YOUNG = Key("n", "old"), Key("n", "young")


def claim(groups: Groups, key: Key, created: str, servers: list[str] | None = None, group: str = "g") -> set[Key]:
    spec: dict[str, Any] = {
        "kafka": {"bootstrapServers": servers or ["a.k:1", "b.k:1"]},
        "source": {"topics": ["t"], "groupId": group},
    }
    return groups.claim(accepted(spec, key=key).config, Claim(created, f"uid-{key.name}", key))


def test_the_older_holds_it_whichever_comes_first() -> None:
    groups = Groups()
    assert claim(groups, YOUNG, "2026-02") == set()
    assert groups.holder(YOUNG) == YOUNG
    assert claim(groups, OLD, "2026-01") == {YOUNG}
    assert groups.holder(YOUNG) == groups.holder(OLD) == OLD


def test_the_uid_decides_between_equals() -> None:
    groups = Groups()
    claim(groups, YOUNG, "2026-01")
    claim(groups, OLD, "2026-01")
    assert groups.holder(YOUNG) == OLD


def test_it_passes_on_when_the_holder_goes() -> None:
    groups = Groups()
    claim(groups, OLD, "2026-01")
    claim(groups, YOUNG, "2026-02")
    assert groups.release(OLD) == {YOUNG}
    assert groups.holder(YOUNG) == YOUNG
    assert groups.release(OLD) == set()
    assert groups.holder(OLD) is None


def test_it_passes_on_when_the_holder_moves_to_other_brokers() -> None:
    groups = Groups()
    claim(groups, OLD, "2026-01")
    claim(groups, YOUNG, "2026-02")
    assert claim(groups, OLD, "2026-01", ["c.k:1"]) == {YOUNG}
    assert groups.holder(YOUNG) == YOUNG


def test_the_order_of_brokers_and_their_case_do_not_matter() -> None:
    groups = Groups()
    claim(groups, OLD, "2026-01", ["A.k:1", "b.k:1"])
    claim(groups, YOUNG, "2026-02", ["b.k:1", "a.k:1"])
    assert groups.holder(YOUNG) == OLD


def test_other_brokers_or_another_group_do_not_collide() -> None:
    groups = Groups()
    claim(groups, OLD, "2026-01")
    claim(groups, YOUNG, "2026-02", group="h")
    assert groups.holder(YOUNG) == YOUNG


def test_a_short_name_is_another_broker_in_another_namespace() -> None:
    groups, elsewhere = Groups(), Key("m", "young")
    claim(groups, OLD, "2026-01", ["kafka:9092"])
    claim(groups, elsewhere, "2026-02", ["kafka:9092"])
    assert groups.holder(elsewhere) == elsewhere


def test_the_same_claim_again_concerns_nobody() -> None:
    groups = Groups()
    claim(groups, OLD, "2026-01")
    claim(groups, YOUNG, "2026-02")
    assert claim(groups, YOUNG, "2026-02") == set()
