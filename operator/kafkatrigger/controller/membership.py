"""Which group the pods of a trigger are in, and how. Where that changes they all leave before the first new one comes. Pure.

And of which topics: what brokers do not have is not rolled out to pods that work.

Pods of one group on one cluster share its partitions, so most changes roll. A rollout from one group to another would run
messages in both, and members of different protocols keep each other out. What the pods are is remembered in an annotation
of their Deployment; it follows the spec at once, or when everybody has left.
"""

from typing import NamedTuple

import msgspec

from kafkatrigger.api.consumer_config import ConsumerConfig
from kafkatrigger.api.moves import Answer, Empty, Group
from kafkatrigger.controller.conditions import Verdict, no
from kafkatrigger.controller.desired import digest
from kafkatrigger.kafka.brokers import Finding


class Membership(msgspec.Struct, frozen=True):
    """Brokers, group and protocol of a trigger's pods."""

    servers: list[str]
    group: str
    protocol: str
    """Classic, or Consumer, which Auto takes where it can."""
    sources: str = ""
    """A digest of the topics, or of their pattern; empty where a former version of the operator wrote this."""

    def text(self) -> str:
        """For the annotation."""
        return msgspec.json.encode(self).decode()


class Change(NamedTuple):
    """From what the pods are to what they are to be."""

    before: str
    """The text; empty where there are no pods yet, or of a former version of the operator."""
    wanted: Membership
    group: Group
    pods: int


def membership(config: ConsumerConfig) -> Membership:
    """What the pods of this configuration are."""
    protocol = "Classic" if config.group_protocol == "Classic" else "Consumer"
    sources = digest((sorted(config.topics), config.topic_pattern))[:16]
    return Membership(sorted(config.bootstrap_servers), config.group_id, protocol, sources)


def leaves(change: Change) -> bool:
    """Whether everybody has to leave first.

    Lists of brokers that have none in common are taken for different clusters: where they are not, that costs a pause.
    """
    before, wanted = _parsed(change.before), change.wanted
    if before is None:
        return False
    is_same_cluster = bool(set(before.servers) & set(wanted.servers))
    return not is_same_cluster or (before.group, before.protocol) != (wanted.group, wanted.protocol)


def waits(change: Change, finding: Finding | None, ready: int) -> Verdict | None:
    """Why ready pods stay as they are: the brokers are not known to answer for what they are to be. None where nothing
    speaks against the change.
    """
    before, wanted = _parsed(change.before), change.wanted
    if before is None or not ready or (finding is not None and finding.healthy):
        return None
    if before.servers == wanted.servers and before.sources in ("", wanted.sources):
        return None
    what = "are asked for" if finding is None else "do not have (see Connected)"
    return no(
        "BrokersAwaited", f"the spec names other brokers or topics, which {what}: until then pods go on as they were"
    )


def errand(change: Change) -> Empty | None:
    """What the brokers have to be asked."""
    return Empty(change.group) if leaves(change) and not change.pods else None


def hold(change: Change, answer: Answer | None) -> Verdict | None:
    """Why there may be no pods, or None."""
    if not leaves(change) or (not change.pods and answer is not None and not answer.waiting):
        return None
    text = "the brokers, the group or its protocol changed, so all pods leave before new ones come"
    if change.pods:
        return no("GroupChanging", f"{text}: {change.pods} still to drain")
    return no("GroupChanging", f"{text}: waiting until the group is empty{'; ' + answer.waiting if answer else ''}")


def _parsed(text: str) -> Membership | None:
    """None for nothing, and for what nobody of ours wrote."""
    try:
        return msgspec.json.decode(text, type=Membership) if text else None
    except msgspec.DecodeError:
        return None
