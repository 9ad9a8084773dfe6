"""The public classes, found rather than listed."""

import inspect


def classes(module):
    """Find the concrete classes of a module."""
    found = (getattr(module, name) for name in module.__all__)
    return [kind for kind in found if inspect.isclass(kind) and not inspect.isabstract(kind)]
