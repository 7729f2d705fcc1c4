"""Arguments that people know from other libraries, and what they are called here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import wraps
from inspect import Parameter, signature
from typing import Any

from pymc_bnn._checks import invalid

__all__ = ["ANYWHERE", "answers"]

_LONG = 80  # of what an argument looks like
ANYWHERE = {  # arguments that others have everywhere
    "seed random_state rng": "pass random_seed=1, say",
    "verbose": "pass progressbar=False, say",
}


def answers(habits: Mapping[str, str], positional: str = "") -> Callable[[Any], Any]:
    """Have a function answer arguments that it does not have by what to do instead.

    Parameters
    ----------
    habits : mapping from str to str
        What to do instead of arguments, whose names stand in one string, with spaces between.
    positional : str, optional
        What to do instead of more arguments without a name than the function takes.

    Returns
    -------
    callable
        A decorator; the function's signature stays.

    Examples
    --------
    >>> @answers({"lr rate": "pass learning_rate=0.01, say"})
    ... def fit(model, *, learning_rate=0.01):
    ...     return learning_rate
    >>> fit(None, lr=0.1)
    Traceback (most recent call last):
        ...
    TypeError: `lr` must be no argument of fit, got 0.1; pass learning_rate=0.01, say
    >>> fit(None, learning_rat=0.1)
    Traceback (most recent call last):
        ...
    TypeError: `learning_rat` must be no argument of fit, got 0.1; did you mean learning_rate=?
    """
    repairs = {name: repair for names, repair in habits.items() for name in names.split()}

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        known = signature(function).parameters
        unnamed = sum(p.kind is not Parameter.KEYWORD_ONLY for p in known.values())
        whose = function.__qualname__.removesuffix(".__init__").rpartition(".")[2]

        @wraps(function)
        def called(*args: Any, **options: Any) -> Any:
            for name in options.keys() - known.keys():
                close = get_close_matches(name, known, 1, 0.75)
                repair = f"did you mean {close[0]}=?" if close else f"see help({whose})"
                value, got = options[name], repr(options[name])
                got = got if len(got) < _LONG else f"a {type(value).__name__}"
                repair = repairs.get(name, repair)
                raise invalid(name, f"be no argument of {whose}", got, repair, TypeError)
            if positional and len(args) > unnamed:
                rule, got = f"get at most {unnamed} arguments without a name", len(args)
                raise invalid(whose, rule, got, positional, TypeError)
            return function(*args, **options)

        return called

    return decorate
