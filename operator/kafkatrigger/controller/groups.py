"""Which trigger holds a consumer group: two that share one would split its messages between two functions."""

from collections.abc import Iterable
from dataclasses import dataclass

from kafkatrigger.api.consumer_config import ConsumerConfig
from kafkatrigger.controller.cache import Key
from kafkatrigger.kafka.brokers import is_short

Identity = tuple[frozenset[str], str]
"""Brokers and group id."""


def identity(config: ConsumerConfig) -> Identity:
    """What a trigger claims. A host of one label is a Service of the trigger's namespace, so it says which."""
    servers = (
        f"{server}@{config.namespace}" if is_short(server) else server.lower() for server in config.bootstrap_servers
    )
    return frozenset(servers), config.group_id


@dataclass(frozen=True, order=True)
class Claim:
    """Orders claims of one group: the oldest trigger holds it, and the uid decides between equals."""

    created: str
    uid: str
    key: Key


class Groups:
    """The claims of all triggers."""

    def __init__(self) -> None:
        self._claims: dict[Identity, set[Claim]] = {}
        self._of: dict[Key, tuple[Identity, Claim]] = {}

    def claim(self, config: ConsumerConfig, claim: Claim) -> set[Key]:
        """Replaces what the trigger claimed before; returns the other triggers that this may concern."""
        wanted = identity(config)
        if self._of.get(claim.key) == (wanted, claim):
            return set()
        concerned = self.release(claim.key)
        self._claims.setdefault(wanted, set()).add(claim)
        self._of[claim.key] = (wanted, claim)
        return (concerned | {other.key for other in self._claims[wanted]}) - {claim.key}

    def release(self, key: Key) -> set[Key]:
        """The trigger claims nothing any more; returns the others that this may concern."""
        if key not in self._of:
            return set()
        held, claim = self._of.pop(key)
        self._claims[held].discard(claim)
        others = {other.key for other in self._claims[held]}
        if not others:
            del self._claims[held]
        return others

    def holder(self, key: Key) -> Key | None:
        """The trigger that holds this one's group, or None where it claims none."""
        if key not in self._of:
            return None
        return min(self._of_group(key)).key

    def _of_group(self, key: Key) -> Iterable[Claim]:
        return self._claims[self._of[key][0]]
