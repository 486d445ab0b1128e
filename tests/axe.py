"""axe-core in a page: the accessibility rules of WCAG 2.1 A and AA that a program can check."""

from pathlib import Path

import axe_playwright_python

_SOURCE = Path(axe_playwright_python.__file__).parent / "axe.min.js"
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]


def violations(page, selector: str) -> list[str]:
    """What axe finds wrong inside the elements of `selector`, one line for each."""
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(_SOURCE.read_text(encoding="utf-8"))
    result = page.evaluate(
        "([where, tags]) => axe.run(where, {runOnly: tags, resultTypes: ['violations']})",
        [{"include": [[selector]]}, _TAGS],
    )
    return [
        f"{found['id']}: {node['html'][:160]} ({'; '.join(c['message'] for c in node['any'])})"
        for found in result["violations"]
        for node in found["nodes"]
    ]
