"""Client configuration and administration: everything about Kafka that is no data path."""
