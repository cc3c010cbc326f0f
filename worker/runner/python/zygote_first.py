"""Runs in the zygote before any other module is imported: none may leave a hook that every cell would run.

Hooks for after a fork mend the locks of threads that are gone. A zygote has one thread and holds no lock, so they would
only copy its pages into each cell. What `random` does in its hook, each run does with its own seed.
"""

import os

_register_at_fork, os.register_at_fork = os.register_at_fork, lambda **hooks: None


def allow_hooks():
    """From here on modules, a program's own too, do as everywhere."""
    os.register_at_fork = _register_at_fork
