"""Runs worlds: `python -m tests.simulation --seeds 0-5000`; a single seed tells its history."""

import argparse
import logging
import sys
import time
import traceback
from collections import Counter

from tests.simulation.world import World, explain


def main() -> int:
    """0 when no promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", default="0-300", metavar="FIRST-LAST", help="or a single one")
    parser.add_argument("--most", type=int, default=10, help="failures after which it ends")
    parser.add_argument("--log", action="store_true", help="with the engine's log")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.DEBUG if arguments.log else logging.CRITICAL, format="%(name)s %(message)s")
    first, _, last = arguments.seeds.partition("-")
    seeds = range(int(first), int(last or first) + 1)
    started, failures = time.perf_counter(), Counter[str]()
    done = 0
    for seed in seeds:
        done += 1
        world = World(seed)
        try:
            world.run()
        except Exception as error:  # noqa: BLE001 - the next seed may say more
            failures[_kind(error)] += 1
            if len(seeds) == 1:
                print(explain(world, error))
                traceback.print_exc()
            else:
                print(f"seed {seed}: {type(error).__name__}: {str(error)[:300]}", flush=True)
            if failures.total() >= arguments.most:
                break
        else:
            if len(seeds) == 1:
                print("\n".join(f"{when:10.4f} {line}" for when, line in world.history.lines))
    seconds = time.perf_counter() - started
    print(f"{done} worlds in {seconds:.1f} s, {failures.total()} broken promises {dict(failures)}")
    return int(bool(failures))


def _kind(error: BaseException) -> str:
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {where.name}"


if __name__ == "__main__":
    sys.exit(main())
