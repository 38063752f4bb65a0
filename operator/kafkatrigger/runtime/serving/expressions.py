"""JMESPath into messages: where the inputs of a stream come from."""

from collections.abc import Callable, Mapping
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

from kafkatrigger.runtime.decode import headers_by_name
from kafkatrigger.runtime.errors import bounded
from kafkatrigger.runtime.function import Message
from kafkatrigger.runtime.transformations.problems import InvalidData, InvalidWiring

Search = Callable[[Mapping[str, Any]], Any]


def facts(message: Message) -> dict[str, Any]:
    """What expressions look into."""
    return {
        "value": message.value,
        "key": message.key,
        "headers": headers_by_name(message.headers),
        "topic": message.topic,
        "partition": message.partition,
        "offset": message.offset,
        "timestamp": message.timestamp,
    }


def compiled(title: str, expression: str) -> Search:
    """What looks for the value of an input, which `title` names; InvalidWiring where it is no JMESPath.

    It raises InvalidData for a message that the expression cannot be applied to.
    """
    try:
        program = jmespath.compile(expression)
    except JMESPathError as error:
        raise InvalidWiring(f"{title}: {expression!r} is no JMESPath: {_line(error)}") from None

    def search(found: Mapping[str, Any]) -> Any:
        try:
            return program.search(found)
        except (JMESPathError, TypeError, ValueError, RecursionError) as error:
            raise InvalidData(f"{title}: {expression!r} cannot be applied to the message: {_line(error)}") from None

    return search


def _line(error: Exception) -> str:
    """The library's texts have pictures of the expression in further lines."""
    return bounded(str(error).partition("\n")[0].strip(), 300)
