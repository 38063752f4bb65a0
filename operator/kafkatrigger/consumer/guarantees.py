"""The outbox of a trigger, by its guarantee."""

from kafkatrigger.api.consumer_config import ConsumerConfig
from kafkatrigger.consumer.at_least_once import AtLeastOnce
from kafkatrigger.consumer.exactly_once import ExactlyOnce
from kafkatrigger.consumer.outbox import Callbacks, Outbox, connections, transactional_id


def outbox(config: ConsumerConfig, callbacks: Callbacks) -> Outbox:
    """The outbox that keeps what the trigger promises."""
    if config.guarantee == "AtLeastOnce":
        return AtLeastOnce(connections(config), callbacks)
    own_id = transactional_id(config.group_id)
    return ExactlyOnce(connections(config, own_id), callbacks, own_id)
