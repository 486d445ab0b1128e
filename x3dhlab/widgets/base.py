"""What all widgets share: how their files are loaded, and their forms without a kernel."""

from base64 import b64encode
from html import escape
from importlib.resources import files

import anywidget

STILL = "A still picture. Run this cell to use it."
_STATIC = files("x3dhlab.widgets") / "static"


def module(name: str, *helpers: str) -> str:
    """The ES module of the widget `name`: the shared helpers, those named, then its own file."""
    return "\n".join(_read(f"{file}.js") for file in ("shared", *helpers, name))


def style(*names: str) -> str:
    """The style sheet of all widgets, and those of one family that needs more."""
    return "\n".join(_read(f"{name}.css") for name in ("style", *names))


def _read(file):
    return (_STATIC / file).read_text(encoding="utf-8")


class View(anywidget.AnyWidget):
    """A widget with two more forms: `_text()` in words, `_svg()` as a still picture.

    A saved notebook keeps both, so that a reader without a kernel sees the same facts.
    """

    _css = style()

    def _text(self) -> str:
        raise NotImplementedError

    def _svg(self) -> str:
        raise NotImplementedError

    def _alt(self) -> str:
        return self._text().split("\n", 1)[0]

    def __repr__(self):
        return self._text()

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        still = f"{image(self._svg(), self._alt())}<br>{STILL}"
        data = {**data, "text/plain": self._text(), "text/html": still}
        return data, metadata


def image(svg: str, alt: str) -> str:
    """An `<img>` that holds the picture itself: viewers of untrusted notebooks strip bare SVG."""
    encoded = b64encode(svg.encode()).decode()
    return (
        f'<img src="data:image/svg+xml;base64,{encoded}" alt="{escape(alt)}" '
        'style="max-width:100%;height:auto">'
    )
