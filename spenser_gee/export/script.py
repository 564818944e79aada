"""The PyTorch and snnTorch script of a trained network: its lines and its tensors."""

from __future__ import annotations

import inspect
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from spenser_gee.data.image_input import check_images
from spenser_gee.export import weights
from spenser_gee.export.words import decision_in_words, ends_with_neurons, input_in_words, program_in_words
from spenser_gee.network import layers
from spenser_gee.network.layers import same_padding
from spenser_gee.phenotype.plan import PlannedLayer
from spenser_gee.phenotype.words.layers import (
    LIF,
    AdaptivePool,
    AvgPool,
    BatchNorm,
    Conv,
    Dropout,
    FullyConnected,
    GlobalPool,
    MaxPool,
    Skip,
)
from spenser_gee.phenotype.words.site import Join
from spenser_gee.training.losses import needs_membrane
from spenser_gee.training.saved import SavedNetwork

_CODINGS = {
    "rate": "spikegen.rate(images, num_steps=STEPS)  # random: each pixel fires with its value as probability",
    "latency": "spikegen.latency(images, num_steps=STEPS, linear=True, normalize=True, clip=True)",
    "direct": "images.expand(STEPS, *images.shape)",
}

_TEMPLATE = '''\
"""A spiking network, rebuilt with PyTorch and snnTorch: python network.py [IMAGES.npy]

IMAGES.npy: (B, C, H, W), integers in 0..255 or floats in 0..1; without it one black image is classified.
Needs torch, snntorch, safetensors and numpy.
"""

{comments}
import sys
from pathlib import Path

import numpy as np
import snntorch as snn
import torch
{functional}from safetensors.torch import load_file
{spikegen}from torch import nn

STEPS, SHAPE, CLASSES = {steps}, {shape}, {classes}


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
{modules}

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """inputs (T, B, C, H, W) -> (T, B, classes), {what} of the last layer."""
{memories}
        outputs = []
        for step in range(STEPS):
            x = inputs[step]
{forward}
            outputs.append({output}.flatten(1))
        return torch.stack(outputs)


def load_network() -> Network:
    network = Network().eval()
    tensors = load_file(Path(__file__).with_name("weights.safetensors"))
    missing, unknown = network.load_state_dict(tensors, strict=False)
    # What snn.Leaky keeps (decay, threshold, ...) was given above.
    assert not unknown and all(name.startswith("lif") for name in missing), (missing, unknown)
    return network


{check}

def encode(images: torch.Tensor) -> torch.Tensor:
    return {coding}


@torch.no_grad()
def classify(images: torch.Tensor) -> torch.Tensor:
    """{decision}."""
    check_images(images, SHAPE)
    values = images.to(torch.float32) * (1 if images.is_floating_point() else 1 / 255)
    return load_network()(encode(values)).{reduce}(0).argmax(1)


if __name__ == "__main__":
    images = np.load(sys.argv[1]) if len(sys.argv) > 1 else np.zeros((1, *SHAPE), np.float32)
    try:
        labels = classify(torch.from_numpy(images)).tolist()
    except (TypeError, ValueError) as error:
        sys.exit(f"images: {{error}}")
    for label in labels:
        print(label)
'''


@dataclass
class Script:
    """text: of network.py. tensors: of weights.safetensors, by the names in the script."""

    saved: SavedNetwork
    text: str = ""
    tensors: dict[str, Tensor] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    modules: list[str] = field(default_factory=list)  # lines of __init__
    memories: list[str] = field(default_factory=list)  # lines before the steps
    steps: list[str] = field(default_factory=list)  # lines of one step
    last_membrane: str = ""

    def put(self, index: int, planned: PlannedLayer) -> None:
        """The lines and tensors of a layer."""
        layer = planned.layer
        if isinstance(layer, Conv):
            self._conv(index, planned, layer)
        elif isinstance(layer, FullyConnected):
            self._fully_connected(index, planned)
        elif isinstance(layer, BatchNorm):
            self._norm(index, planned, layer)
        elif isinstance(layer, LIF):
            self._neurons(index)
        elif isinstance(layer, Skip):
            assert planned.join is not None
            self._skip(index, planned.join, layer)
        elif isinstance(layer, Dropout):
            self.remarks.append(f"layer {index + 1} (dropout): left out, it acts in training only")
        elif planned.input != planned.output:
            self.steps.append(f"x = {_pooling(layer, planned)}")

    def _weights(self, name: str, index: int) -> bool:
        """Stores weight and bias; whether there is a bias."""
        network = self.saved.network
        self._store(f"{name}.weight", weights.weight(network, index))
        bias = weights.bias(network, index)
        if bias is not None:
            self._store(f"{name}.bias", bias)
        return bias is not None

    def _store(self, name: str, values: Tensor) -> None:
        self.tensors[name] = values.detach().cpu().contiguous().clone()

    def _conv(self, index: int, planned: PlannedLayer, layer: Conv) -> None:
        name = f"conv{index + 1}"
        settings = [str(planned.input[0]), str(planned.output[0]), str(layer.kernel)]
        if layer.stride > 1:
            settings.append(f"stride={layer.stride}")
        if layer.padding == "same":
            rows, columns = (same_padding(s, layer.kernel, layer.stride) for s in planned.input[1:])
            if rows[0] != rows[1] or columns[0] != columns[1]:
                self.steps.append(f"x = F.pad(x, {(*columns, *rows)})")
            elif rows[0] or columns[0]:
                settings.append(f"padding={rows[0] if rows == columns else (rows[0], columns[0])}")
        if not self._weights(name, index):
            settings.append("bias=False")
        self._module(name, f"nn.Conv2d({', '.join(settings)})")

    def _fully_connected(self, index: int, planned: PlannedLayer) -> None:
        name = f"fc{index + 1}"
        bias = "" if self._weights(name, index) else ", bias=False"
        self.modules.append(f"self.{name} = nn.Linear({planned.fan_in}, {planned.output[0]}{bias})")
        self.steps.append(f"x = self.{name}(x.flatten(1))[:, :, None, None]")

    def _module(self, name: str, made: str) -> None:
        self.modules.append(f"self.{name} = {made}")
        self.steps.append(f"x = self.{name}(x)")

    def _norm(self, index: int, planned: PlannedLayer, layer: BatchNorm) -> None:
        name = f"norm{index + 1}"
        module = self.saved.network.layers[index]
        made = f"nn.BatchNorm2d({planned.input[0]})"
        if layer.over == "time-batch":
            self._statistics(name, module, slice(None))
            self._module(name, made)
            return
        for step in range(self.saved.time_steps):
            self._statistics(f"{name}.{step}", module, step)
        self.modules.append(f"self.{name} = nn.ModuleList({made} for _ in range(STEPS))")
        self.steps.append(f"x = self.{name}[step](x)")

    def _statistics(self, name: str, module: torch.nn.Module, which: slice | int) -> None:
        assert isinstance(module, layers.BatchNorm)
        self._store(f"{name}.weight", module.weight)
        self._store(f"{name}.bias", module.bias)
        self._store(f"{name}.running_mean", module.get_buffer("running_mean")[which])
        self._store(f"{name}.running_var", module.get_buffer("running_var")[which])
        self._store(f"{name}.num_batches_tracked", torch.tensor(0))

    def _neurons(self, index: int) -> None:
        name, memory = f"lif{index + 1}", f"mem{index + 1}"
        cell = weights.cell(self.saved.network, index)
        numbers = f"beta={_shortest(cell.beta)}, threshold={_shortest(cell.threshold)}"
        self.modules.append(f'self.{name} = snn.Leaky({numbers}, reset_mechanism="{cell.reset}")')
        self.memories.append(f"{memory} = self.{name}.reset_mem()")
        self.steps.append(f"x, {memory} = self.{name}(x, {memory})")
        self.last_membrane = memory

    def _skip(self, index: int, join: Join, layer: Skip) -> None:
        there = f"skip{index + 1}"
        self.steps.append(f"{there} = {_kept(self.saved.network.plan.skip_sources[join.source])}")
        self.steps += [f"{there} = {there}{picked}" for picked in _resampled(join)]
        weight = weights.projection(self.saved.network, index)
        if weight is not None:
            name = f"project{index + 1}"
            self._store(f"{name}.weight", weight)
            self.modules.append(
                f"self.{name} = nn.Conv2d({weight.shape[1]}, {weight.shape[0]}, 1, bias=False)"
            )
            self.steps.append(f"{there} = self.{name}({there})")
        self.steps.append(f"x = x + {there}" if layer.mode == "add" else f"x = torch.cat((x, {there}), 1)")


def script_of(saved: SavedNetwork, source: Path) -> Script:
    """The script of a network that was read from `source`."""
    script, plan = Script(saved), saved.network.plan
    read = set(plan.skip_sources.values())
    for index in range(-1, len(plan.layers)):
        if index >= 0:
            script.put(index, plan.layers[index])
        if index in read:
            script.steps.append(f"{_kept(index)} = x")
    script.text = _text(script, source)
    return script


def _text(script: Script, source: Path) -> str:
    saved, spec = script.saved, script.saved.spec
    membrane = needs_membrane(spec.loss) and ends_with_neurons(spec)
    decision = decision_in_words(spec)
    comments = (
        f"Written by {program_in_words()}, from {source.name}.",
        f"Input: {input_in_words(spec, saved.time_steps)}.",
        f"The sentence: {saved.sentence}",
    )
    return _TEMPLATE.format(
        comments="\n".join(line for text in comments for line in _comment(text)),
        functional="import torch.nn.functional as F\n" if any("F." in line for line in script.steps) else "",
        spikegen="" if spec.input.coding == "direct" else "from snntorch import spikegen\n",
        steps=saved.time_steps,
        shape=tuple(saved.input_shape),
        classes=saved.classes,
        modules=_indented(script.modules, 8),
        what="the membranes" if membrane else "the outputs",
        memories=_indented(script.memories, 8),
        forward=_indented(script.steps, 12),
        output=script.last_membrane if membrane else "x",
        check=inspect.getsource(check_images),
        coding=_CODINGS[spec.input.coding],
        decision=decision[0].upper() + decision[1:],
        reduce="mean" if membrane else "sum",
    )


def _kept(index: int) -> str:
    """The variable of an output that a skip reads; out0 is the input."""
    return f"out{index + 1}"


def _pooling(layer: MaxPool | AvgPool | AdaptivePool | GlobalPool, planned: PlannedLayer) -> str:
    if isinstance(layer, GlobalPool):
        return "x.mean((2, 3), keepdim=True)"
    if isinstance(layer, AdaptivePool):
        return f"F.adaptive_avg_pool2d(x, {planned.output[1:]})"
    return f"F.{'max' if isinstance(layer, MaxPool) else 'avg'}_pool2d(x, {layer.size})"


def _resampled(join: Join) -> list[str]:
    """What picks the nearest subsample, rows then columns; for one position the mean."""
    if join.resample is None:
        return []
    if join.resample == (1, 1):
        return [".mean((2, 3), keepdim=True)"]
    pairs = zip(join.source_shape[1:], join.resample, strict=True)
    picked = [f"[i * {had} // {count} for i in range({count})]" for had, count in pairs]
    return [f"[:, :, {picked[0]}]", f"[:, :, :, {picked[1]}]"]


def _shortest(value: float) -> str:
    """The shortest decimal that is this float32 number."""
    return repr(float(str(np.float32(value))))


def _comment(text: str) -> list[str]:
    printable = "".join(c if c.isprintable() else " " for c in text)
    return textwrap.wrap(printable, 88, initial_indent="# ", subsequent_indent="# ")


def _indented(lines: list[str], spaces: int) -> str:
    return "\n".join(" " * spaces + line for line in lines)
