"""Transformations at work for a trigger: handlers for the event loop of a worker.

stream          one transformation runs for every message, wired as the trigger says
requests        messages say what runs; `catalog` has what may be requested
expressions     JMESPath into messages
message_values  hetida designer's form of messages with values, and records for topics
attempts        failures of runs as failures of attempts
"""
