"""Gives a gene-encoded network the start that its training begins with: plain, random, or evolved.

The evolved one has to pay: it gets a stated share of the training's compute, and it has to beat the start
that nothing was spent on, on fresh batches (docs/initialisation.md has the measurements behind this).
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spenser_gee.config import Initialisation
from spenser_gee.initialisation.cma_search import Centre, CMAResult, search_starts
from spenser_gee.initialisation.inherit import inherited_genes, inherited_weights
from spenser_gee.initialisation.objective import DEAD, Terms, spatial_entropy, temporal_difference
from spenser_gee.initialisation.start import GeneStart, StartFrame, plain_start, random_start
from spenser_gee.initialisation.together import Ensemble, networks_at_once, train_together
from spenser_gee.network.build import Output, SpikingNetwork
from spenser_gee.phenotype.plan import Plan
from spenser_gee.phenotype.words.training import ConstantRate
from spenser_gee.rng import derive_seed
from spenser_gee.training.liveness import dead_reason, probe, responds
from spenser_gee.training.losses import loss_value, needs_membrane
from spenser_gee.training.mode import PLAIN, Mode, run_network
from spenser_gee.training.source import Source
from spenser_gee.training.train import Budget, train

# A forward pass without gradients, in units of a training step (forward, backward, optimiser).
FORWARD_COST = 1 / 3
# A loss at birth, or after a step or two, says next to nothing of the training to come, and rewards silence: a
# search that can afford no more than that chose worse starts than the plain one (docs/initialisation.md).
LEAST_STEPS = 4
# The guard looks so much further ahead than the search: starts that are ahead after 8 steps can be behind after
# 16, and those were the ones that ended behind.
GUARD_REACH = 2


@dataclass(frozen=True, eq=False)
class ParentGenes:
    """What an offspring can inherit: the parent's start (None without gene-encoded layers), and its trained
    tensors by name."""

    plan: Plan
    start: GeneStart | None
    tensors: Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class InnerRecord:
    """What the inner search did. `chosen`: which start is trained; `cost`: in training steps."""

    start: GeneStart | None
    chosen: str
    cost: float = 0.0
    steps: int = 0
    guard: Mapping[str, float] = field(default_factory=dict)
    history: tuple[Mapping[str, float], ...] = ()

    def remarks(self) -> dict[str, Any]:
        """JSON-able: how the start was found."""
        return {"chosen": self.chosen, "cost": self.cost, "steps": self.steps, "guard": dict(self.guard)}


def evolve_start(
    network: SpikingNetwork,
    source: Source,
    settings: Initialisation,
    training_steps: int | None,
    seed: int,
    parent: ParentGenes | None = None,
    *,
    mode: Mode = PLAIN,
    deadline: float = math.inf,
) -> InnerRecord:
    """Sets the genes of `network` (in place) and says how they were found.

    Args:
        source: EvoTrain; no other data is touched.
        training_steps: of the training that follows; with `budget_share` it caps the search. None: no cap.
        seed: of this candidate's draws.
        parent: whose genes may be inherited.
        mode: memory and precision of the short trainings.
        deadline: of `time.monotonic()`; starts that are tried after it count as dead.
    """
    plan = network.plan
    if not plan.encodings:
        if settings.inherit == "weights" and parent is not None:
            network.inherit(inherited_weights(parent.plan, parent.tensors, plan))
        return InnerRecord(None, "no gene-encoded layers")
    if settings.terms == "random":
        frame, start = random_start(plan, seed)
        frame.apply(network, start)
        return InnerRecord(start, "random")
    frame, base, centre, name = _base_start(plan, settings, seed, parent)
    frame.apply(network, base)
    if settings.terms == "off":
        return InnerRecord(base, name)
    fitted = _fit_to_budget(settings, training_steps)
    if fitted is None:
        return InnerRecord(base, f"{name} (the budget is too small for a generation)")
    trial = Trial(network, source, frame, fitted.steps, seed, deadline, mode)
    found = search_starts(centre, trial.generation, fitted, derive_seed(seed, "inner"))
    cost = found.evaluations * trial_cost(fitted.steps, 1)
    guard = _guard(trial, base, found, fitted, name)
    cost += len(guard) * guard_cost(fitted)
    chosen = _choose(guard, found, name)
    start = found.best if chosen == "evolved" and found.best is not None else base
    trial.restore()
    frame.apply(network, start)
    return InnerRecord(start, chosen, cost, fitted.steps, guard, found.history)


def _base_start(
    plan: Plan, settings: Initialisation, seed: int, parent: ParentGenes | None
) -> tuple[StartFrame, GeneStart, Centre, str]:
    """The start that costs nothing, and the centre of the search: plain, or inherited."""
    frame, plain = plain_start(plan, seed)
    genes = plan.spec.genes.count
    if settings.inherit == "weights" and parent is not None:
        frame = replace(frame, inherited=inherited_weights(parent.plan, parent.tensors, plan))
    if (
        settings.inherit == "none"
        or parent is None
        or parent.start is None
        or parent.start.G.shape != (genes, genes)
    ):
        return frame, plain, Centre(plain.beta1, plain.beta2, np.zeros_like(plain.G), frame.sigma_G), "plain"
    start, name = replace(parent.start, seed=seed), "inherited distribution"
    if settings.inherit in ("trained", "weights"):
        tensors = {**frame.inherited, **inherited_genes(parent.plan, parent.tensors, plan)}
        G = parent.tensors["genes.G"].double().cpu().numpy()
        frame, start, name = replace(frame, inherited=tensors), replace(start, G=G), "inherited genes"
    # Around an inherited G the samples are perturbations: a third of a unit keeps most of it.
    unit = float(start.G.std()) or frame.sigma_G
    return frame, start, Centre(start.beta1, start.beta2, start.G, unit, sigma0=0.3), name


def _fit_to_budget(settings: Initialisation, training_steps: int | None) -> Initialisation | None:
    """As many steps and then generations as the share of the training's steps pays for; None if not one
    generation of LEAST_STEPS."""
    if settings.budget_share is None or training_steps is None:
        return settings
    allowed = settings.budget_share * training_steps
    for steps in range(settings.steps, min(settings.steps, LEAST_STEPS) - 1, -1):
        for generations in range(settings.generations, 0, -1):
            search = generations * settings.population * trial_cost(steps, 1)
            fitted = settings.model_copy(update={"generations": generations, "steps": steps})
            guard = 2 * guard_cost(fitted) if settings.guard_batches else 0.0
            if search + guard <= allowed:
                return fitted
    return None


def trial_cost(steps: int, batches: int) -> float:
    """What `Trial.terms` takes, in training steps: the probe is a forward pass of its own before a training."""
    return steps + FORWARD_COST * (batches + (steps > 0))


def guard_cost(settings: Initialisation) -> float:
    """What the guard takes for one of its two starts."""
    return trial_cost(GUARD_REACH * settings.steps, settings.guard_batches)


class Trial:
    """Short trainings of one network from different starts, all else being equal."""

    def __init__(
        self,
        network: SpikingNetwork,
        source: Source,
        frame: StartFrame,
        steps: int,
        seed: int,
        deadline: float = math.inf,
        mode: Mode = PLAIN,
    ) -> None:
        self._network, self._plan, self._source, self._frame = network, network.plan, source, frame
        self._steps, self.seed, self._deadline, self._mode = steps, seed, deadline, mode
        self._birth = {name: tensor.clone() for name, tensor in network.state_dict().items()}

    def restore(self) -> None:
        """Back to the weights of birth."""
        self._network.load_state_dict(self._birth)

    def generation(self, starts: Sequence[GeneStart], generation: int) -> list[Terms]:
        """The terms of each start, on batches and spike noise that the whole generation shares."""
        seed = derive_seed(self.seed, "inner batches", generation)
        source = self._source
        size = networks_at_once(
            self._plan,
            source.time_steps,
            source.batch_size,
            self._mode,
            source.device,
            source.data.recorded_steps,
        )
        if min(size, len(starts)) == 1:
            return [self.terms(start, seed, batches=1) for start in starts]
        groups = [starts[first : first + size] for first in range(0, len(starts), size)]
        return [terms for group in groups for terms in self._terms_together(group, seed)]

    def _terms_together(self, starts: Sequence[GeneStart], seed: int) -> list[Terms]:
        """As `terms` for each start, on one batch, with all networks side by side."""
        spec = self._plan.spec
        members = [self._newborn(start) for start in starts]
        ensemble = Ensemble(self._network, members)
        stream = self._source.training(seed)
        stimulus = self._source.stimulus(spec, seed, augment=False)
        images, labels = next(stream)
        held_out = stimulus(images)
        with torch.no_grad():
            spikes, membranes = ensemble.outputs(held_out, membrane=True)
        assert membranes is not None
        alive = torch.stack([responds(membrane) for membrane in membranes])
        if self._steps:
            alive &= train_together(ensemble, spec, stream, stimulus, self._steps, self._deadline).to(
                alive.device
            )
        with torch.no_grad():
            outputs: tuple[Tensor, Tensor | None] = (spikes, membranes)
            if self._steps:
                outputs = ensemble.outputs(held_out, needs_membrane(spec.loss))
            losses = ensemble.losses(spec, outputs, labels)
            r1 = torch.stack([temporal_difference(member) for member in outputs[0]])
        # One answer from the device for all.
        rows = torch.stack((alive.to(losses.dtype), losses, r1), 1).tolist()
        return [
            Terms(loss, difference, spatial_entropy(start.G))
            if lives and math.isfinite(loss) and math.isfinite(difference)
            else DEAD
            for start, (lives, loss, difference) in zip(starts, rows, strict=True)
        ]

    def _newborn(self, start: GeneStart) -> dict[str, Tensor]:
        """The weights of birth with the genes of a start."""
        self.restore()
        self._frame.apply(self._network, start)
        return {name: tensor.clone() for name, tensor in self._network.state_dict().items()}

    def terms(self, start: GeneStart, seed: int, batches: int, reach: int = 1) -> Terms:
        """L after the short training (`reach` times as long as the search's), on `batches` batches that it has not
        seen; r1 on the first of them."""
        if time.monotonic() > self._deadline:
            return DEAD
        network, spec = self._network, self._plan.spec
        self.restore()
        self._frame.apply(network, start)
        device = self._source.device
        network.use_generator(torch.Generator(device).manual_seed(derive_seed(seed, "dropout")))
        stream = self._source.training(seed)
        stimulus = self._source.stimulus(spec, seed, augment=False)
        images, labels = next(stream)
        held_out = stimulus(images)
        output = probe(network, held_out)
        if dead_reason(output) is not None:
            return DEAD
        if steps := reach * self._steps:
            # The beginning of the training to come, not a whole schedule pressed into a few steps.
            beginning = replace(spec, schedule=ConstantRate())
            budget = Budget(steps=steps)
            record = train(
                network, beginning, stream, stimulus, budget, deadline=self._deadline, mode=self._mode
            )
            if record.outcome != "complete":
                return DEAD
            output = self._output(held_out)
        losses = [loss_value(spec.loss, output, labels)]
        r1 = float(temporal_difference(output.spikes))
        for _ in range(batches - 1):
            images, labels = next(stream)
            losses.append(loss_value(spec.loss, self._output(stimulus(images)), labels))
        loss = float(torch.stack(losses).mean())
        if not (math.isfinite(loss) and math.isfinite(r1)):
            return DEAD
        return Terms(loss, r1, spatial_entropy(start.G))

    @torch.no_grad()
    def _output(self, signal: Tensor) -> Output:
        membrane = needs_membrane(self._plan.spec.loss)
        return run_network(self._network, signal, self._mode, membrane=membrane)


def _guard(
    trial: Trial, base: GeneStart, found: CMAResult, settings: Initialisation, name: str
) -> dict[str, float]:
    """Losses of the base and the evolved start on fresh batches, after a longer training than the search's."""
    if found.best is None or settings.guard_batches == 0:
        return {}
    seed = derive_seed(trial.seed, "guard")
    return {
        name: trial.terms(base, seed, settings.guard_batches, GUARD_REACH).loss,
        "evolved": trial.terms(found.best, seed, settings.guard_batches, GUARD_REACH).loss,
    }


def _choose(guard: Mapping[str, float], found: CMAResult, name: str) -> str:
    if found.best is None:
        return f"{name} (all evolved starts are dead)"
    if not guard:
        return "evolved"
    return "evolved" if guard["evolved"] < guard[name] else name
