"""From what a trigger says of its transformations to what makes handlers of it."""

from kafkatrigger.api.frames import Work
from kafkatrigger.api.transforming import Transforming
from kafkatrigger.runtime.adapters.protocol import AdapterError
from kafkatrigger.runtime.adapters.registry import make_all
from kafkatrigger.runtime.errors import bounded
from kafkatrigger.runtime.handlers import NewHandler
from kafkatrigger.runtime.loading import LoadError, what_runs
from kafkatrigger.runtime.serving.message_values import KAFKA
from kafkatrigger.runtime.serving.requests import RequestHandler
from kafkatrigger.runtime.serving.stream import StreamHandler
from kafkatrigger.runtime.transformations.problems import TransformationError
from kafkatrigger.runtime.transformations.wiring import DIRECT


def load_transformations(work: Work, transforming: Transforming) -> NewHandler:
    """What makes a handler for each connection; LoadError. Adapters stay open until the process ends."""
    if reserved := [each.name for each in transforming.adapters if each.name in (KAFKA, DIRECT)]:
        raise LoadError(f"an adapter of the trigger is called {reserved[0]!r}, as one that is always there: rename it")
    try:
        adapters = make_all(transforming.adapters)
        if transforming.is_request:
            return lambda: RequestHandler(transforming, adapters)
        handler = StreamHandler(transforming, work.revisions, adapters)
    except (AdapterError, TransformationError) as error:
        raise LoadError(bounded(f"{what_runs(work)} cannot run: {error}")) from None
    return lambda: handler
