"""The engine in a simulated world: brokers, runtime, people and accidents, all of them decided by one seed."""
