"""Names that libraries have removed and components still use, each with what does the same today.

They come back when the code of a component mentions them, in the process that runs it.
"""

import importlib
import re

_NAMES = {
    "numpy": {
        "Inf": "inf",
        "NaN": "nan",
        "alltrue": "all",
        "cumproduct": "cumprod",
        "float_": "float64",
        "in1d": "isin",
        "infty": "inf",
        "product": "prod",
        "row_stack": "vstack",
        "sometrue": "any",
        "trapz": "trapezoid",
    },
    "scipy.integrate": {"cumtrapz": "cumulative_trapezoid", "simps": "simpson", "trapz": "trapezoid"},
}
"""By module. numpy 2.0 and 2.4, and scipy 1.14, are those that removed them, says each one's list of changes."""
_WORD = re.compile(r"\w+")


def restore(code: str) -> None:
    """Puts back what the code mentions."""
    words = set(_WORD.findall(code))
    for name, names in _NAMES.items():
        wanted = names.keys() & words
        if wanted and words.issuperset(name.split(".")):
            module = importlib.import_module(name)
            for each in wanted:
                if not hasattr(module, each):
                    setattr(module, each, getattr(module, names[each]))
