"""The admin client of everybody who asks brokers about topics, offsets and groups."""

from confluent_kafka.admin import AdminClient

from kafkatrigger.kafka.client import QUIET, Configuration

_ASKING: Configuration = {
    **QUIET,
    # All is asked of the broker that is taken for the controller. That it is gone is found out this soon, not after 5 minutes.
    "topic.metadata.refresh.interval.ms": 5_000,
}


class Admin(AdminClient):  # type: ignore[misc] # the library has no types
    """An admin client that knows how it was connected, for questions that only another kind of client can ask."""

    def __init__(self, settings: Configuration, **hooks: object) -> None:
        self.settings = {**settings, **_ASKING}
        super().__init__({**self.settings, **hooks})
