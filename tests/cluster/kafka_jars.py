"""Apache Kafka's jars, from Maven, for the broker on this machine and the one in the cluster."""

import shutil
from pathlib import Path

from .cache import Entry
from .settings import KAFKA, RECIPES
from .shell import run

_POM = RECIPES / "kafka" / "pom.xml"

ENTRY = Entry("kafka", KAFKA, _POM.read_text())


def ensure() -> bool:
    return ENTRY.ensure(_build)


def _build(folder: Path) -> None:
    shutil.copy(_POM, folder)
    libraries = f"-DoutputDirectory={folder}/libs"
    advice = "Maven must be able to download artifacts; see its settings.xml for mirrors and proxies"
    run(
        ["mvn", "-q", "-B", f"-Dkafka.version={KAFKA}", "dependency:copy-dependencies", libraries],
        cwd=folder,
        advice=advice,
    )
    (folder / _POM.name).unlink()
