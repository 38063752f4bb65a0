"""Hundreds of kills: `python -m tests.soak [--kills N] [--guarantee G] [--protocol P] [--seed S]`."""

import argparse
import random
import sys
from typing import get_args

from tests.cluster.broker import HostBroker
from tests.soak.campaign import Campaign, Guarantee, Protocol
from tests.soak.sessions import QUICK_SESSIONS


def main() -> int:
    """Runs the campaigns asked for; 0 when every guarantee was kept."""
    options = _options()
    kept = True
    for guarantee in options.guarantee or get_args(Guarantee):
        for protocol in options.protocol or get_args(Protocol):
            with HostBroker(properties=QUICK_SESSIONS) as broker:
                verdict = Campaign(broker, guarantee, protocol, options.seed).run(options.kills)
            kept = kept and verdict.is_kept
            print(
                f"{'kept' if verdict.is_kept else 'BROKEN'}: {guarantee}, {protocol}, seed {options.seed}: {verdict.line}"
            )
    return 0 if kept else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="in each campaign (default: %(default)s)")
    parser.add_argument("--guarantee", action="append", choices=get_args(Guarantee), help="only this one")
    parser.add_argument("--protocol", action="append", choices=get_args(Protocol), help="only this one")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32), help="of the choices")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
