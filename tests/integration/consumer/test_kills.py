"""Processes that are killed at random moments while messages keep coming: the small form of `make soak`."""

from typing import get_args

import pytest

from tests.cluster.broker import HostBroker
from tests.soak.campaign import Campaign, Guarantee, Protocol

KILLS = 5
"""In each of the campaigns."""


@pytest.mark.parametrize(("guarantee", "protocol"), list(zip(get_args(Guarantee), get_args(Protocol), strict=True)))
def test_a_guarantee_survives_kills(broker: HostBroker, guarantee: Guarantee, protocol: Protocol) -> None:
    verdict = Campaign(broker, guarantee, protocol, seed=4).run(KILLS)
    assert sum(verdict.kills.values()) == KILLS
    assert verdict.is_kept, verdict.line
