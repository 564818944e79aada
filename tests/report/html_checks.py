"""What every page has to be, whatever is in it. The parser is the standard library's."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_VOID = {"meta", "br", "hr", "img", "input", "link"}


class _Checker(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.problems: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if len(dict(attrs)) < len(attrs):
            self.problems.append(f"<{tag}> has an attribute twice")
        for name, value in attrs:
            value = value or ""
            if name == "id":
                self.ids.append(value)
            if name in ("href", "src", "xlink:href", "srcset", "data", "action"):
                self.links.append(value)
            if name.startswith("on"):
                self.problems.append(f"<{tag}> has a handler {name}")
            self._styles(value)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}> at {self.getpos()} closes something else")

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if self.open and self.open[-1] == "style":
            self._styles(data)

    def _styles(self, value: str) -> None:
        if re.search(r"url\((?!#)|@import", value):
            self.problems.append(f"loads something: {value[:80]}")


def check_page(html: str) -> _Checker:
    """Raises AssertionError unless the page is well-formed, self-contained and without scripts."""
    checker = _Checker()
    checker.feed(html)
    checker.close()
    assert checker.problems == []
    assert checker.open == []
    assert len(checker.ids) == len(set(checker.ids))
    for link in checker.links:
        assert link.startswith("data:") or (link.startswith("#") and link[1:] in checker.ids), link
    assert not {"script", "link", "iframe", "img", "object", "base"} & set(checker.tags)
    return checker
