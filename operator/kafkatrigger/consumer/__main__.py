"""Runs a consumer: `python -m kafkatrigger.consumer --config FILE`.

A pod may be asked to end while it starts, and what it imports takes a second: so that is heard before anything else.
"""

from kafkatrigger.consumer import signals

signals.listen()

from kafkatrigger.consumer.process import main  # noqa: E402 - it imports all the rest

if __name__ == "__main__":
    main()
