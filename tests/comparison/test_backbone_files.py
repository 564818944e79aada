"""A hand-written network of a comparison, whatever its file looks like."""

from __future__ import annotations

from pathlib import Path

import pytest

from spenser_gee.comparison.contenders import backbone
from spenser_gee.errors import InputError
from spenser_gee.genotype import genotype_from_sentence
from spenser_gee.grammar import load_grammar
from spenser_gee.phenotype.decode import decode

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "configs" / "backbones" / "lenet.net").read_text()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_marks_line_ends_and_comments(tmp_path: Path, mark: str, end: str) -> None:
    grammar = load_grammar(ROOT / "grammars" / "spenser_gee.lark")
    path = tmp_path / "mine.net"
    path.write_bytes((mark + TEXT.replace("\n", "  # a comment\n").replace("\n", end)).encode())
    found = backbone(path, grammar)
    assert (found.name, found.source) == ("mine", str(path))
    assert found.spec == decode(genotype_from_sentence(grammar, TEXT), grammar)
    # The text that the results hold is this network's.
    assert decode(genotype_from_sentence(grammar, found.sentence), grammar) == found.spec


def test_what_is_no_text_is_located(tmp_path: Path) -> None:
    path = tmp_path / "mine.net"
    path.write_bytes(TEXT.encode("utf-16"))
    with pytest.raises(InputError, match=r"mine\.net:1:1: this file is not UTF-8 text but UTF-16"):
        backbone(path, load_grammar(ROOT / "grammars" / "spenser_gee.lark"))
