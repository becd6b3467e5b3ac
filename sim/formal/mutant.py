"""A unit with a planted bug: a copy of its module with one text replaced."""

import inspect
import types


def mutant(module, old, new):
    """A copy of `module` with the text `old`, which must occur exactly once, replaced by `new`."""
    source = inspect.getsource(module)
    if source.count(old) != 1:
        raise ValueError(f"{module.__name__} has {old!r} {source.count(old)} times: a planted bug needs one place")
    copy = types.ModuleType(module.__name__)
    copy.__file__, copy.__package__, copy.__spec__ = module.__file__, module.__package__, module.__spec__
    exec(compile(source.replace(old, new), module.__file__, "exec"), copy.__dict__)
    return copy
