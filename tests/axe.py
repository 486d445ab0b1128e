"""axe-core in a page: the accessibility rules of WCAG 2.1 A and AA that a program can check."""

from pathlib import Path

import axe_playwright_python

_SOURCE = Path(axe_playwright_python.__file__).parent / "axe.min.js"
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]

# JupyterLab's body is 0 pixels high and cuts off what overflows. axe would take everything for
# hidden, and skip the rules of what is seen, above all that of contrast.
_RUN = """async ([where, tags]) => {
  document.body.style.setProperty('overflow', 'visible', 'important');
  try {
    return await axe.run(where, {runOnly: tags, resultTypes: ['violations']});
  } finally {
    document.body.style.removeProperty('overflow');
  }
}"""


def violations(page, selector: str) -> list[str]:
    """What axe finds wrong inside the elements of `selector`, one line for each."""
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(_SOURCE.read_text(encoding="utf-8"))
    result = page.evaluate(_RUN, [{"include": [[selector]]}, _TAGS])
    return [
        f"{found['id']}: {node['html'][:160]} ({'; '.join(c['message'] for c in node['any'])})"
        for found in result["violations"]
        for node in found["nodes"]
    ]
