"""Submissions for the grader's own tests: lazy, wrong, right and hostile ones."""

import ast
from pathlib import Path

# Each stands for one way of not solving a task; {head} is the function's first line.
LAZY = {
    "stub": "{head}\n    raise NotImplementedError\n",
    "pass": "{head}\n    pass\n",
    "ellipsis": "{head}\n    ...\n",
    "blank": "",
    "commented out": "# {head}\n#     return 1\n",
    "empty bytes": '{head}\n    return b""\n',
    "zeros": "{head}\n    return bytes(32)\n",
    "list of zeros": "{head}\n    return [bytes(32)] * 3\n",
    "empty dict": "{head}\n    return {{}}\n",
    "true": "{head}\n    return True\n",
    "one": "{head}\n    return 1\n",
    "first argument": "{head}\n    return {first}\n",
    "all arguments": "{head}\n    return [{arguments}]\n",
    "raises everything": "{head}\n    raise Exception\n",
    "always refuses": "from x3dhlab.errors import BadSignature as B\n{head}\n    raise B('no')\n",
    "its own refusal": "class BadSignature(Exception): pass\n{head}\n    raise BadSignature\n",
    "wrong arity": "def {name}():\n    return 1\n",
    "a value": "{name} = b'Hello, Alice!'\n",
    "a class": "class {name}:\n    def __init__(self, *a): pass\n",
    "a generator": "{head}\n    yield b'Hello'\n",
    "a coroutine": "async {head}\n    return b'Hello'\n",
}


def lazy(task, kind: str) -> str:
    """A submission that does not solve the task."""
    arguments = ", ".join(task.parameters)
    return LAZY[kind].format(
        head=f"def {task.function}({arguments}):",
        first=task.parameters[0],
        arguments=arguments,
        name=task.function,
    )


def reference(task) -> str:
    """The right answer, as it stands in a solved exercise."""
    return task.given + task.reference


def mistake(task, wrong) -> str:
    """One named mistake, as it would stand in an exercise."""
    return task.given + wrong.source


def copy(task, other) -> str:
    """The right answer to another task, under this task's name."""
    return reference(other).replace(f"def {other.function}(", f"def {task.function}(")


# What an answer must write itself, where the package has it under another name.
PACKAGE = {
    "fingerprint.safety_number": ("fingerprint", "safety_number"),
    "keys.encode": ("wire", "encode_key"),
    "keys.check_signed_prekey": ("x3dh", "check_bundle"),
    "prekeys.make_batch": ("prekeys", "add_one_time"),
    "prekeys.bundle": ("prekeys", "publication"),
    "kdf.x3dh_secret": ("x3dh", "derive"),
    "kdf.associated_data": ("x3dh", "associated_data"),
    "wire.parse_initial": ("wire", "InitialMessage"),
    "x3dh.respond": ("x3dh", "respond"),
    "hybrid.combine": ("pqxdh", "derive"),
    "pqxdh.initiate": ("pqxdh", "initiate"),
    "pqxdh.respond": ("pqxdh", "respond"),
    "header.trial_decrypt": ("header_encryption", "decrypt_header"),
    "triple.message_key": ("triple_ratchet", "kdf_hybrid"),
    "braid.chunks_needed": ("erasure", "chunks_needed"),
    "chain.step": ("ratchet", "kdf_ck"),
    "ratchet.dh_step": ("ratchet", "dh_ratchet"),
    "ratchet.encrypt": ("ratchet", "encrypt"),
    "ratchet.skip": ("ratchet", "skip_message_keys"),
    "ratchet.bounded_skip": ("ratchet", "skip_message_keys"),
    "ratchet.decrypt": ("ratchet", "decrypt"),
}
WAYS = {
    "import": "from x3dhlab.{module} import {name} as {function}\n",
    "alias": "import x3dhlab.{module} as z\n{head}return z.{name}(*arguments)\n",
    "inside": "{head}from x3dhlab import {module}\n    return {module}.{name}(*arguments)\n",
    "importlib": (
        "import importlib as i\n"
        "{head}return i.import_module('x3dhlab.{module}').{name}(*arguments)\n"
    ),
    "getattr": (
        "{head}import x3dhlab\n    package = __import__('x3dhlab.{module}')\n"
        "    return getattr(package.{module}, '{name}')(*arguments)\n"
    ),
    "the grader's reference": ("{head}from x3dhlab.grading.tasks import TASKS\n    return TASKS\n"),
}


def delegation(task, way) -> str:
    """Hand the step to the package instead of writing it."""
    module, name = PACKAGE.get(task.id, ("x3dh", "initiate"))
    head = f"def {task.function}(*arguments):\n    "
    return WAYS[way].format(module=module, name=name, function=task.function, head=head)


def batch(texts) -> str:
    """One file of many submissions: helpers get a number each, so that they do not collide.

    `texts` are (name of the function, text) pairs. Imported names stay, unless they are rebound.
    """
    return "\n".join(_apart(number, *pair) for number, pair in enumerate(texts))


def _apart(number, function, text):
    tree = ast.parse(text)
    own = {name for node in tree.body for name in _bound(node)} - {function}
    return ast.unparse(_Renaming(own, f"_{number}").visit(tree)) + "\n"


def _bound(node):
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


class _Renaming(ast.NodeTransformer):
    """Puts a mark behind some names, wherever they stand."""

    def __init__(self, names, mark):
        self.names, self.mark = names, mark

    def _marked(self, name):
        return name + self.mark if name in self.names else name

    def visit_Name(self, node):
        node.id = self._marked(node.id)
        return node

    def visit_alias(self, node):
        if (node.asname or node.name) in self.names:
            node.asname = self._marked(node.asname or node.name)
        return node

    def _visit_definition(self, node):
        node.name = self._marked(node.name)
        return self.generic_visit(node)

    visit_FunctionDef = visit_ClassDef = visit_AsyncFunctionDef = _visit_definition  # noqa: N815


HOSTILE = {path.stem: path for path in sorted((Path(__file__).parent / "hostile").glob("*.py"))}

NEWCOMERS = Path(__file__).parent / "newcomers"


def attempts(person: str) -> dict[str, str]:
    """Task id → the first answer of somebody who had seen the statement and the stub only."""
    texts = {path.stem: path.read_text("utf-8") for path in (NEWCOMERS / person).glob("*.py")}
    return {name.replace("_", ".", 1): text for name, text in sorted(texts.items())}
