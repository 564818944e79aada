"""Limits of size, and the share of random networks that cannot be built."""

from __future__ import annotations

from pathlib import Path

import pytest

from spenser_gee.config.sections import Limits
from spenser_gee.grammar import load_grammar, parse_grammar
from spenser_gee.phenotype.plan import plan_network
from spenser_gee.phenotype.space import check_size, infeasible_reason, infeasible_share
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.layers import LIF, Conv, FullyConnected, MaxPool
from spenser_gee.phenotype.words.site import Infeasible

SPEC = NetworkSpec(((Conv(filters=4), LIF()), (FullyConnected(units=0), LIF())))
PLAN = plan_network(SPEC, (1, 8, 8), 10)
GRAMMARS = Path(__file__).parents[2] / "grammars"


@pytest.mark.parametrize("what", ["parameters", "macs", "activations"])
def test_a_bound_is_inclusive(what: str) -> None:
    found = getattr(PLAN, what)
    assert infeasible_reason(SPEC, (1, 8, 8), 10, Limits(**{what: found})) is None
    reason = infeasible_reason(SPEC, (1, 8, 8), 10, Limits(**{what: found - 1}))
    assert reason == f"too large: {found:,} {what}, the limit is {found - 1:,}"
    with pytest.raises(Infeasible, match="too large"):
        check_size(PLAN, Limits(**{what: found - 1}))


def test_sizes_by_hand() -> None:
    # conv 4 x 1 x 3 x 3 + 4, fc 256 x 10 + 10; outputs 2 x 4 x 8 x 8 + 2 x 10.
    assert PLAN.parameters == 40 + 2570
    assert PLAN.macs == 36 * 64 + 2560
    assert PLAN.activations == 2 * 256 + 20


def test_no_limits() -> None:
    assert infeasible_reason(SPEC, (1, 8, 8), 10, Limits()) is None


def test_a_network_that_cannot_be_built_is_told_so_first() -> None:
    spec = NetworkSpec(((Conv(), MaxPool(size=16), LIF()), *SPEC.units))
    reason = infeasible_reason(spec, (1, 8, 8), 10, Limits(parameters=1))
    assert reason is not None
    assert reason.startswith("pool-max")


def test_shares() -> None:
    text = """
    start: "net" net
    net: ("conv" | "conv" "pool-max" "size" "=" "16") "lif" "fc" "units" "=" "classes" "lif"
    %import common (WS)
    %ignore WS
    """
    grammar = parse_grammar(text)
    share, reasons = infeasible_share(grammar, (1, 8, 8), 10, samples=400)
    assert share == pytest.approx(0.5, abs=0.08)
    assert reasons == {"pool-max": round(400 * share)}
    assert infeasible_share(grammar, (1, 16, 16), 10, samples=50) == (0.0, {})
    limited, reasons = infeasible_share(grammar, (1, 16, 16), 10, samples=50, limits=Limits(parameters=1))
    assert (limited, reasons) == (1.0, {"too": 50})


def test_the_seed_decides() -> None:
    grammar = load_grammar(GRAMMARS / "spenser_gee.lark")
    first, again, other = (infeasible_share(grammar, (1, 8, 8), 10, samples=60, seed=s) for s in (1, 1, 2))
    assert first == again
    assert first != other
    assert 0 < first[0] < 1
    few = infeasible_share(grammar, (1, 8, 8), 10, samples=60, seed=1, sizes={"features": (1,)})
    assert few[0] < first[0]
