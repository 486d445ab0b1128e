"""Submissions for the grader's own tests: lazy, wrong, right and hostile ones."""

from pathlib import Path

from x3dhlab.grading.tasks import TASKS

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


def copies(task):
    """The right answers of the other tasks under this task's name."""
    for other in TASKS.values():
        if other is not task:
            text = reference(other).replace(f"def {other.function}(", f"def {task.function}(")
            yield other.id, text


def delegations(task):
    """Ways to hand the step to the package instead of writing it."""
    module = task.id.split(".")[0]
    name = {"x3dh": "initiate"}.get(module, task.function)
    body = f"def {task.function}(*arguments):\n    "
    yield "import", f"from x3dhlab.x3dh import {name} as {task.function}\n"
    yield "alias", f"import x3dhlab.x3dh as z\n{body}return z.{name}(*arguments)\n"
    yield "inside", f"{body}from x3dhlab import x3dh\n    return x3dh.{name}(*arguments)\n"
    yield (
        "importlib",
        f"import importlib as i\n{body}return i.import_module('x3dhlab.x3dh').{name}(*arguments)\n",
    )
    yield (
        "the grader's reference",
        f"{body}from x3dhlab.grading.tasks import TASKS\n    return TASKS\n",
    )


HOSTILE = {path.stem: path for path in sorted((Path(__file__).parent / "hostile").glob("*.py"))}
