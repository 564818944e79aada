"""The picture and the table of a network."""

from __future__ import annotations

import itertools
import math
import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest
from made_runs import made_run
from tiny_networks import parameter_count

from spenser_gee.network.build import build_network
from spenser_gee.paths import shipped_folder
from spenser_gee.phenotype.check import open_grammar
from spenser_gee.phenotype.decode import decode
from spenser_gee.phenotype.plan import Plan, plan_network
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.layers import (
    LIF,
    AvgPool,
    BatchNorm,
    Conv,
    Dropout,
    FullyConnected,
    Layer,
    MaxPool,
    Skip,
)
from spenser_gee.phenotype.words.training import Genes
from spenser_gee.report.drawing.section import Figure, Table
from spenser_gee.report.run.architecture import (
    architecture_section,
    describe_layer,
    draw_plan,
    layer_parameters,
    layer_table,
)
from spenser_gee.runs.store import RunFolder
from spenser_gee.session.setup import read_sentence
from spenser_gee.training.saved import load_network

BACKBONES = sorted((shipped_folder("configs") / "backbones").glob("*.net"))
GREEN = "#00936b"


def backbone(path: Path) -> Plan:
    grammar = open_grammar(shipped_folder("grammars") / "spenser_gee.lark")
    return plan_network(decode(read_sentence(path, grammar), grammar), (3, 32, 32), 10)


def plan_of(*units: tuple[Layer, ...], genes: int = 4) -> Plan:
    head: tuple[Layer, ...] = (FullyConnected(units=0, weights="gene"), LIF())
    return plan_network(NetworkSpec((*units, head), Genes(genes)), (1, 16, 16), 10)


def unit(filters: int = 6, *more: Layer, stride: int = 1) -> tuple[Layer, ...]:
    return (Conv(filters=filters, stride=stride, weights="gene"), BatchNorm(), *more, LIF())


# Skips of every kind: projected, resized, concatenated, from the input; an empty unit; lanes beside each other.
TANGLED = plan_of(
    unit(6),
    unit(6, Skip(back=2, mode="concat")),
    unit(8, Skip(back=2), stride=2),
    (),
    unit(8, Skip(back=4, mode="concat")),
    unit(6, Skip(back=5), Skip(back=1)),
    (AvgPool(2), Dropout(0.2)),
)


@pytest.mark.parametrize("plan", [TANGLED, plan_of(unit(3)), plan_of(unit(5), (Dropout(0.1),), genes=7)])
def test_each_parameter_is_counted_once(plan: Plan) -> None:
    genes = plan.spec.genes.count**2 if plan.encodings else 0
    expected = parameter_count(build_network(plan, 2, 0))
    assert sum(layer_parameters(plan)) + genes == expected
    assert _column(layer_table(plan), 3)[:-1] == [*layer_parameters(plan), genes]
    assert _column(layer_table(plan), 3)[-1] == expected


def _column(table: Table, place: int) -> list[int]:
    return [int(row[place].replace(",", "") or 0) for row in table.rows]


@pytest.mark.parametrize("path", BACKBONES, ids=lambda path: path.stem)
def test_the_tables_columns_add_up(path: Path) -> None:
    plan = backbone(path)
    table = layer_table(plan)
    for place, total in ((3, plan.parameters), (4, plan.macs), (5, plan.neurons)):
        *parts, last = _column(table, place)
        assert sum(parts) == last == total
    assert len(table.rows) == len(plan.layers) + bool(plan.encodings) + 1


def _elements(picture: Figure, tag: str) -> list[ElementTree.Element]:
    root = ElementTree.fromstring(picture.svg)
    return list(root.iter(f"{{http://www.w3.org/2000/svg}}{tag}"))


def _arcs(picture: Figure) -> list[tuple[float, float, float]]:
    """(y of its begin, y of its end, x of its lane) of every skip that is drawn."""
    found = []
    for element in _elements(picture, "path"):
        if element.get("stroke") == GREEN:
            numbers = [float(n) for n in re.findall(r"[\d.]+", element.get("d", ""))]
            found.append((numbers[1], numbers[-1], numbers[2]))
    return found


@pytest.mark.parametrize(
    "plan", [TANGLED, *map(backbone, BACKBONES)], ids=["tangled", *(p.stem for p in BACKBONES)]
)
def test_every_layer_and_skip_is_drawn_within_the_picture(plan: Plan) -> None:
    picture = draw_plan(plan)
    root = ElementTree.fromstring(picture.svg)
    width, height = map(float, root.get("viewBox", "").split()[2:])
    words = "\n".join(element.text or "" for element in _elements(picture, "text"))
    for planned in plan.layers:
        assert describe_layer(planned.layer) in words
    assert words.count("gene") == sum(planned.gene_coded for planned in plan.layers)
    arcs = _arcs(picture)
    assert len(arcs) == sum(planned.join is not None for planned in plan.layers)
    for begin, end, x in arcs:
        assert 0 < begin < end < height
        assert x <= width
    for element in _elements(picture, "rect"):
        assert float(element.get("x", "")) + float(element.get("width", "")) <= width
        assert float(element.get("y", "")) + float(element.get("height", "")) <= height


def test_skips_that_run_beside_each_other_have_lanes_of_their_own() -> None:
    arcs = _arcs(draw_plan(TANGLED))
    assert len({x for _, _, x in arcs}) > 2
    for one, other in itertools.combinations(arcs, 2):
        if one[0] < other[1] and other[0] < one[1]:
            assert one[2] != other[2]


def test_a_skip_begins_in_its_sources_box() -> None:
    picture = draw_plan(plan_of(unit(6), unit(6), unit(6, Skip(back=2))))
    ((begin, end, _),) = _arcs(picture)
    boxes = [
        (float(e.get("y", "")), float(e.get("y", "")) + float(e.get("height", "")))
        for e in _elements(picture, "rect")
        if e.get("fill") == "none"
    ]
    inside = [[top < y < bottom for top, bottom in boxes].index(True) for y in (begin, end)]
    assert inside == [1, 3]  # box 0 is the input


def test_many_skips_do_not_take_the_boxes_room() -> None:
    units = [unit(2), *(unit(2, *(Skip(back=back) for back in range(2, n + 1))) for n in range(1, 9))]
    picture = draw_plan(plan_of(*units))
    boxes = [float(e.get("width", "")) for e in _elements(picture, "rect") if e.get("fill") == "none"]
    assert min(boxes) > 220


def test_words_do_not_run_into_the_shape() -> None:
    """Where both are long, they stand in lines of their own; 7 pixels are a wide letter of 12 pixels."""
    plan = plan_of((Conv(filters=4096, kernel=15, stride=2, weights="gene"), LIF(), MaxPool(2)))
    texts = _elements(draw_plan(plan), "text")
    lines: dict[str, list[tuple[float, float]]] = {}
    for element in texts:
        length = 7 * len(element.text or "")
        x = float(element.get("x", ""))
        span = (x - length, x) if element.get("text-anchor") == "end" else (x, x + length)
        lines.setdefault(element.get("y", ""), []).append(span)
    for spans in lines.values():
        spans.sort()
        for (_, end), (begin, _) in itertools.pairwise(spans):
            assert end <= begin + 1


def test_text_is_large_enough_on_a_phone() -> None:
    """At 328 pixels, the column of a screen 360 pixels wide."""
    root = ElementTree.fromstring(draw_plan(TANGLED).svg)
    width = float(root.get("viewBox", "").split()[2])
    assert float(root.get("font-size", "")) * 328 / width >= 11
    assert all(element.get("font-size") is None for element in root.iter() if element is not root)


def test_the_best_network_of_a_run(finished: Path) -> None:
    with RunFolder.open(finished) as run:
        section = architecture_section(run)
        plan = load_network(run.best_weights).network.plan
    assert section is not None
    pictures = [part for part in section.parts if isinstance(part, Figure)]
    tables = [part for part in section.parts if isinstance(part, Table)]
    assert pictures == [draw_plan(plan)]
    assert tables == [layer_table(plan)]
    assert math.prod(plan.input_shape) == 64
    assert f"{plan.parameters:,}" in " ".join(part for part in section.parts if isinstance(part, str))


def test_without_weights_there_is_no_picture(tmp_path: Path, finished: Path) -> None:
    made = made_run(tmp_path)
    assert architecture_section(made.run) is None
    made.run.close()
    copy = Path(shutil.copytree(finished, tmp_path / "copy"))
    (copy / "best.safetensors").unlink()
    with RunFolder.open(copy) as run:
        assert architecture_section(run) is None
