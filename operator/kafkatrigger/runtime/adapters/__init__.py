"""Adapters: they load values for the inputs of transformations, and send those of outputs.

protocol     what an adapter is, and what a wiring tells it
external     the types of data that wirings name
registry     adapters as a trigger says them, made by entry points; `kept` renews them when their Secrets change
formats      files; `frames` tables as values, and values as tables
local_file, sql, object_store, rest
             the types that come along: each is imported when a trigger has one; `database` and `http` are their clients
"""
