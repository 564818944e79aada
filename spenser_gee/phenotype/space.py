"""Whether a network can be built within given limits, and how often random ones cannot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from spenser_gee.config.sections import Limits
from spenser_gee.genotype.sample import sample_genotype
from spenser_gee.grammar.model import Grammar
from spenser_gee.phenotype.decode import decode
from spenser_gee.phenotype.plan import Plan, plan_network
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.site import Infeasible, Shape
from spenser_gee.rng import stream

UNLIMITED = Limits()


def check_size(plan: Plan, limits: Limits) -> None:
    """Raises Infeasible where a limit is passed."""
    for name, bound in limits:
        found = getattr(plan, name)
        if bound is not None and found > bound:
            raise Infeasible(f"too large: {found:,} {name}, the limit is {bound:,}")


def infeasible_reason(spec: NetworkSpec, shape: Shape, classes: int, limits: Limits) -> str | None:
    """Why the network cannot be a candidate, or None where it can."""
    try:
        check_size(plan_network(spec, shape, classes), limits)
    except Infeasible as error:
        return str(error)
    return None


def infeasible_share(
    grammar: Grammar,
    shape: Shape,
    classes: int,
    *,
    limits: Limits = UNLIMITED,
    sizes: Mapping[str, tuple[int, ...]] | None = None,
    samples: int = 500,
    seed: int = 0,
) -> tuple[float, dict[str, int]]:
    """The share of random genotypes that cannot be built for inputs of `shape`, and how often for which kind of
    reason (the first word of it)."""
    reasons: Counter[str] = Counter()
    for number in range(samples):
        genotype = sample_genotype(grammar, stream(seed, "infeasible share", number), sizes or {})
        reason = infeasible_reason(decode(genotype, grammar), shape, classes, limits)
        if reason is not None:
            reasons[reason.split()[0].rstrip(":")] += 1
    return sum(reasons.values()) / samples, dict(reasons.most_common())
