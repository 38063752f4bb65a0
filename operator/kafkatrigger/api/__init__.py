"""Models and contracts, without any I/O: what the other packages agree on.

The custom resource is a pydantic model (`resources`), because people write it and deserve good errors. What our own
processes tell each other (`consumer_config`, `frames`, `pod_status`) are msgspec structs, because those are read on the
data path and in a consumer that has to stay small.
"""
