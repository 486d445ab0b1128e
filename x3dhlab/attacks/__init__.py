"""Attacks that run. Each says its catalogue number, what the attacker has, and who notices.

The weak programs that they need live here too, named for their flaw, and nothing of the package
but `worlds`, `grading` and `scenes` may import them.
"""

import importlib
import pkgutil

from x3dhlab.attacks.entry import Attack

# Numbers of the catalogue that do not run, and why.
LEFT_OUT: dict[str, str] = {}


def catalogue() -> tuple[Attack, ...]:
    """Every attack with its two runs, in the order of the numbers."""
    names = [f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__)]
    modules = [importlib.import_module(name) for name in names]
    found = [attack for module in modules for attack in getattr(module, "CATALOGUE", ())]
    return tuple(sorted(found, key=lambda attack: int(attack.number[1:])))
