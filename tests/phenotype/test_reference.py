"""docs/grammar.md lists what the builder knows: nothing less, nothing else."""

from __future__ import annotations

from pathlib import Path

from spenser_gee.phenotype.reference import reference
from spenser_gee.phenotype.words.keys import keys_of
from spenser_gee.phenotype.words.keywords import KEYWORDS

PAGE = Path(__file__).parents[2] / "docs" / "grammar.md"


def test_the_page_ends_with_the_list() -> None:
    text = PAGE.read_text()
    assert text.endswith(reference()), (
        "run: python -m spenser_gee grammar words, and put it at the end of the page"
    )


def test_every_keyword_and_key_is_listed() -> None:
    text = reference()
    for word, kind in KEYWORDS.items():
        assert f"`{word}`" in text
        for key in keys_of(kind):
            assert f"| `{key}` |" in text
