"""From what a trigger says of its transformations to what makes handlers of it."""

from kafkatrigger.api.frames import Work
from kafkatrigger.api.transforming import Transforming
from kafkatrigger.runtime.errors import bounded
from kafkatrigger.runtime.handlers import NewHandler
from kafkatrigger.runtime.loading import LoadError, what_runs
from kafkatrigger.runtime.serving.requests import RequestHandler
from kafkatrigger.runtime.serving.stream import StreamHandler
from kafkatrigger.runtime.transformations.problems import TransformationError


def load_transformations(work: Work, transforming: Transforming) -> NewHandler:
    """What makes a handler for each connection; LoadError."""
    adapters: dict[str, object] = {}
    if transforming.is_request:
        return lambda: RequestHandler(transforming, adapters)
    try:
        handler = StreamHandler(transforming, work.revisions, adapters)
    except TransformationError as error:
        raise LoadError(bounded(f"{what_runs(work)} cannot run: {error}")) from None
    return lambda: handler
