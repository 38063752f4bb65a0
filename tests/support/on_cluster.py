"""Fixtures of the suites that run on the local cluster, for their conftests to import."""

from collections.abc import Generator

import pytest

from tests.cluster import kafka_in_cluster, provider
from tests.cluster.errors import UnsupportedMachineError
from tests.cluster.provider import Provider


@pytest.fixture(scope="session")
def cluster() -> Provider:
    """The local cluster; tests are skipped where none can be."""
    try:
        return provider.choose()
    except UnsupportedMachineError as error:
        pytest.skip(error.describe())


@pytest.fixture(scope="session")
def bootstrap(cluster: Provider) -> str:
    """Kafka, for programs of this machine."""
    return kafka_in_cluster.bootstrap(cluster.host_address)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Shows with each failure what the test's namespaces look like."""
    report = yield
    if report.failed and call.when == "call":
        used = getattr(item, "funcargs", {}).items()
        report.sections += [(name, each.report()) for name, each in used if hasattr(each, "report")]
    return report
