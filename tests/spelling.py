"""The words that a learner reads, and where each stands. The list is `tests/words.txt`.

python -m tests.spelling     adds and removes words so that the list fits; read what it prints
"""

import ast
import io
import re
import tokenize
import tomllib
from pathlib import Path

import nbformat

ROOT = Path(__file__).parent.parent
WORDS = Path(__file__).parent / "words.txt"

# Left out of Markdown: code, formulas, tags, targets of links.
_MARKUP = re.compile(
    r"^```.*?^```|`[^`]*`|\$[^$\n]*\$|<!--.*?-->|<[^<>]*>|\]\([^)]*\)", flags=re.M | re.S
)
# Left out of all text: what has a digit, a dot or a sign inside is a name, a number or bytes.
_NAME = re.compile(r"[\d_.:=@#%+(){}\[\]\\]")
_AROUND = "*_.,;:!?…()[]{}\"'“”‘’"
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")


def words(text: str) -> set[str]:
    """The words of a text in lower case, without 's; camelCase is a name and no word."""
    found = set()
    for chunk in text.split():
        chunk = chunk.strip(_AROUND).replace("’", "'")
        if not _NAME.search(chunk) and not re.search(r"[a-z][A-Z]", chunk):
            found |= {word.removesuffix("'s").lower() for word in _WORD.findall(chunk)}
    return {word for word in found if len(word) > 1}


def markdown(text: str) -> str:
    """The prose of a Markdown text."""
    return _MARKUP.sub(" ", text)


def python(source: str) -> str:
    """The comments and the texts of a piece of Python, one a line."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    found = [token.string for token in tokens if token.type == tokenize.COMMENT]
    for node in ast.walk(ast.parse(source)):
        value = getattr(node, "value", None) if isinstance(node, ast.Constant) else None
        if isinstance(value, bytes) and value.isascii():
            value = value.decode()
        if isinstance(value, str) and value.isprintable() and " " in value:
            found.append(value)
    return "\n".join(found)


def _notebook(path: Path) -> str:
    cells = nbformat.read(path, as_version=4).cells
    read = {"markdown": markdown, "code": python}
    return "\n".join(read[cell.cell_type](cell.source) for cell in cells)


def _bank(path: Path) -> str:
    """The questions of a lesson: every text but the names of kinds and cells."""
    return "\n".join(_texts(tomllib.loads(path.read_text(encoding="utf-8"))))


def _texts(value) -> list[str]:
    if isinstance(value, str):
        return [markdown(value)]
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for item in inside for text in _texts(item)]


def texts() -> dict[str, str]:
    """All prose of the course by the file's name: lessons, exercises, solutions, questions."""
    found = {"README.md": markdown((ROOT / "README.md").read_text(encoding="utf-8"))}
    for room in ("notebooks", "exercises", "solutions"):
        for path in sorted((ROOT / room).glob("*.ipynb")):
            found[f"{room}/{path.name}"] = _notebook(path)
    for path in sorted((ROOT / "x3dhlab/questions").glob("*.toml")):
        found[f"x3dhlab/questions/{path.name}"] = _bank(path)
    return found


def known() -> list[str]:
    """The list as it is committed."""
    return WORDS.read_text(encoding="utf-8").split("\n")[:-1]


def unknown(found: dict[str, str], listed: set[str]) -> dict[str, list[str]]:
    """Each word that is not in the list, with the files that use it."""
    missing: dict[str, list[str]] = {}
    for name, text in found.items():
        for word in sorted(words(text) - listed):
            missing.setdefault(word, []).append(name)
    return missing


def fit() -> None:
    """Rewrites the list, and prints the words that come and go."""
    old = set(known()) if WORDS.exists() else set()
    used = {word for text in texts().values() for word in words(text)}
    WORDS.write_text("".join(f"{word}\n" for word in sorted(used)), encoding="utf-8")
    print("new: ", *sorted(used - old))
    print("gone:", *sorted(old - used))


if __name__ == "__main__":
    fit()
