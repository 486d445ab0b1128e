"""Attacks that run. Each says its catalogue number, what the attacker has, and who notices.

The weak programs that they need live here too, named for their flaw, and nothing of the package
but `worlds`, `grading` and `scenes` may import them.
"""

import importlib
import pkgutil

from x3dhlab.attacks.entry import Attack

# Numbers of the catalogue that do not run, and why.
LEFT_OUT = {
    "A13": "needs two logs of a key directory: lesson 31",
    "A14": "needs the log of a key directory: lesson 31",
    "A15": "needs a Merkle tree: lesson 31",
    "A52": "no break is known; lesson 09 measures what the second tag adds: nothing",
    "A59": "needs groups with sender keys: lesson 24",
    "A60": "needs groups with sender keys: lesson 24",
    "A61": "needs groups with sender keys: lesson 24",
    "A62": "needs groups with sender keys: lesson 24",
    "A63": "needs sealed sender: lesson 25",
    "A64": "needs sealed sender: lesson 25",
    "A65": "needs files in chunks: lesson 26",
    "A66": "needs a backup under a PIN: lesson 30",
    "A67": "is A49 in both directions, on two restored devices: lesson 30",
    "A68": "needs receipts and the logs of a service: lesson 25",
}


def catalogue() -> tuple[Attack, ...]:
    """Every attack with its two runs, in the order of the numbers."""
    names = [f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__)]
    modules = [importlib.import_module(name) for name in names]
    found = [attack for module in modules for attack in getattr(module, "CATALOGUE", ())]
    return tuple(sorted(found, key=lambda attack: int(attack.number[1:])))
