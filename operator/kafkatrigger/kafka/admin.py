"""The admin client of whoever asks about consumer groups."""

from confluent_kafka.admin import AdminClient

from kafkatrigger.kafka.client import Configuration


class Admin(AdminClient):  # type: ignore[misc] # the library has no types
    """An admin client that knows how it was connected, for questions that only another kind of client can ask."""

    def __init__(self, settings: Configuration, **hooks: object) -> None:
        super().__init__({**settings, **hooks})
        self.settings = settings
