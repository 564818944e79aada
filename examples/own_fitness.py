"""A fitness of one's own that trains nothing, and an objective of one's own.

    python examples/own_fitness.py

Networks are scored at birth: by how evenly their output neurons fire on some batches of images. The best is then
trained from its birth, since the fitness left no weights.
"""

import math
import tempfile
from pathlib import Path

import torch

import spenser_gee
from spenser_gee.config import FITNESS_KINDS, FitnessKind
from spenser_gee.evaluation import Evaluation
from spenser_gee.fitness.evaluator import Candidacy, Evaluated, Evaluator, Task, complete, plan_cost
from spenser_gee.network.build import build_network
from spenser_gee.objective import OBJECTIVES, Objective
from spenser_gee.phenotype.plan import Infeasible, plan_network
from spenser_gee.rng import derive_seed
from spenser_gee.settings import Chosen, Positive


class EvennessFitness(Chosen):
    """The keys of this fitness in a configuration: {kind: evenness, batches: 2}."""

    kind: str = "evenness"
    batches: Positive = 2


def make_evaluator(config: spenser_gee.Config, task: Task) -> Evaluator:
    """Called once in each worker, with the images that candidates may see."""
    settings = config.fitness
    assert isinstance(settings, EvennessFitness)

    @torch.no_grad()
    def evaluate(candidacy: Candidacy, deadline: float) -> Evaluated:
        try:
            plan = plan_network(candidacy.spec, task.input_shape, task.classes)
        except Infeasible as error:
            return Evaluated(Evaluation("infeasible", reason=str(error)))
        source, seed = task.evo_train, candidacy.seed
        network = (
            build_network(plan, source.time_steps, derive_seed(seed, "weights")).to(source.device).eval()
        )
        stimulus = source.stimulus(candidacy.spec, derive_seed(seed, "evenness"), augment=False)
        batches = source.training(seed)
        spikes = sum(network(stimulus(next(batches)[0])).spikes.sum((0, 1)) for _ in range(settings.batches))
        rates = (spikes / spikes.sum().clamp(min=1)).double()
        entropy = float(-(rates * rates.clamp(min=1e-12).log()).sum()) / math.log(task.classes)
        figures = {"evenness": entropy}
        return Evaluated(complete(figures, {}, config.strives_for, cost=plan_cost(plan)))

    return evaluate


OBJECTIVES["evenness"] = Objective("evenness")
FITNESS_KINDS["evenness"] = FitnessKind(
    EvennessFitness, f"{__name__}:make_evaluator", ("evenness",), trains=False
)


def main(folder: Path) -> None:
    """A short run with it. `workers=0`: worker processes would have to import this file too."""
    config = spenser_gee.load_config(
        "configs/digits.yaml",
        [
            "fitness={kind: evenness, batches: 3}",
            "objectives=[evenness]",
            "search.generations=3",
            "search.offspring=4",
            "search.workers=0",
            "final.epochs=3",
        ],
    )
    best = spenser_gee.start_run(config, folder)["best"]
    print(
        f"candidate {best['id']}: evenness {best['fitness']:.3f}, test accuracy {best['test_accuracy']:.3f}"
    )


if __name__ == "__main__":
    main(Path(tempfile.mkdtemp()) / "run")
