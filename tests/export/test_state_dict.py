"""The generated folder runs without this program and says the same."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sample_networks import SHAPE, drawn, signal_of, spec_of, trained

from spenser_gee.errors import InputError
from spenser_gee.export.state_dict import write_state_dict
from spenser_gee.network.spike_encoding import encode
from spenser_gee.phenotype.spec import (
    LIF,
    TET,
    AdaptivePool,
    AvgPool,
    BatchNorm,
    CEMembrane,
    Conv,
    Dropout,
    FullyConnected,
    GlobalPool,
    MaxPool,
    NetworkSpec,
    Skip,
)
from spenser_gee.training.saved import SavedNetwork

LIFS = (
    LIF(beta=0.7, threshold=0.5),
    LIF(reset="zero", learn_beta="plif"),
    LIF(reset="none", learn_threshold=True),
)
HEAD = (FullyConnected(units=0), LIFS[0])
CONV = Conv(filters=5, kernel=3, weights="gene")

BY_HAND: tuple[NetworkSpec, ...] = (
    spec_of((CONV, LIFS[0]), (CONV, BatchNorm(), LIFS[1]), HEAD),
    spec_of((CONV, LIFS[2], MaxPool(2)), (CONV, AvgPool(2), LIFS[1]), HEAD, loss=CEMembrane()),
    spec_of(
        (CONV, MaxPool(3), BatchNorm(over="step"), LIFS[0]), (Dropout(0.5), AdaptivePool(3)), HEAD, loss=TET()
    ),
    spec_of(
        (CONV, LIFS[0]), (CONV, Skip(back=2), LIFS[0]), (Skip(back=1, mode="concat"), GlobalPool()), HEAD
    ),
    spec_of((CONV, LIFS[0]), (Conv(filters=5, kernel=3, padding="valid"), Skip(back=1), LIFS[0]), HEAD),
    spec_of(
        (CONV, LIFS[0]), (FullyConnected(units=9), BatchNorm(), LIFS[1]), (CONV, Skip(back=2), LIFS[0]), HEAD
    ),
    spec_of(
        (Conv(filters=4, kernel=2, stride=2), LIFS[0]),
        (Conv(filters=4, kernel=4), LIFS[0]),
        (Skip(back=2),),
        HEAD,
    ),
    spec_of((CONV, LIF(beta=0.0)), HEAD[:1]),
)

# Runs every folder named on the command line on its inputs, where nothing of this program can be imported.
RUNNER = """
import json, runpy, sys
import numpy as np, torch
try:
    import spenser_gee
    sys.exit("spenser_gee can be imported")
except ImportError:
    pass
torch.set_num_threads(1)
for folder in json.loads(sys.argv[1]):
    script = runpy.run_path(folder + "/network.py")
    with torch.no_grad():
        values = script["load_network"]()(torch.from_numpy(np.load(folder + "/signal.npy")))
    np.save(folder + "/values.npy", values.numpy())
    images = torch.from_numpy(np.load(folder + "/images.npy"))
    np.save(folder + "/encoded.npy", script["encode"](images).numpy())
    np.save(folder + "/classes.npy", script["classify"](images).numpy())
"""


def elsewhere(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python that finds this package nowhere: isolated, not in the checkout, with installed packages only."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    # An editable installation is found through a hook, which -S leaves out.
    packages = [p for p in sys.path if p.endswith("-packages")]
    start = f"import sys; sys.path += {packages!r}; code = sys.argv.pop(1); exec(code)"
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", start, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_scripts_say_what_the_networks_say(tmp_path: Path) -> None:
    networks = [trained(spec, seed) for seed, spec in enumerate((*BY_HAND, *drawn(20)))]
    folders = [tmp_path / f"net{index}" for index in range(len(networks))]
    images = torch.rand(6, *SHAPE)
    for saved, folder in zip(networks, folders, strict=True):
        write_state_dict(saved, Path("best.safetensors"), folder)
        np.save(folder / "signal.npy", signal_of(saved, 4).numpy())
        np.save(folder / "images.npy", images.numpy())
    done = elsewhere(tmp_path, RUNNER, json.dumps([str(f) for f in folders]))
    assert done.returncode == 0, done.stderr
    lively = 0
    for saved, folder in zip(networks, folders, strict=True):
        lively += bool(_agree(saved, folder))
        coding = saved.spec.input.coding
        if coding != "rate":  # its noise is another
            ours = encode(images, coding, saved.time_steps).expand(saved.time_steps, *images.shape)
            assert np.array_equal(np.load(folder / "encoded.npy"), ours.numpy())
            assert np.array_equal(np.load(folder / "classes.npy"), saved.classify(images).numpy())
    assert lively >= 20


def _agree(saved: SavedNetwork, folder: Path) -> bool:
    """Asserts equal outputs; whether there were any."""
    with torch.no_grad():
        output = saved.network(signal_of(saved, 4), membrane=True)
    values = torch.from_numpy(np.load(folder / "values.npy"))
    if isinstance(saved.spec.loss, (CEMembrane, TET)):
        assert output.membrane is not None
        assert torch.allclose(values, output.membrane, atol=1e-5), folder.name
    elif isinstance(saved.network.plan.layers[-1].layer, LIF):
        assert torch.equal(values, output.spikes), folder.name
    else:
        assert torch.allclose(values, output.spikes, atol=1e-5), folder.name
    return bool(values.any())


def test_rate_coding_draws_spikes_with_the_pixels_probability(tmp_path: Path) -> None:
    saved = trained(spec_of((CONV, LIFS[0]), HEAD, coding="rate"), steps=200)
    write_state_dict(saved, Path("best.safetensors"), tmp_path / "net")
    images = torch.rand(2, *SHAPE)
    for name in ("images", "signal"):
        np.save(
            tmp_path / "net" / f"{name}.npy",
            images.expand(200, *images.shape).numpy() if name == "signal" else images.numpy(),
        )
    done = elsewhere(tmp_path, RUNNER, json.dumps([str(tmp_path / "net")]))
    assert done.returncode == 0, done.stderr
    encoded = torch.from_numpy(np.load(tmp_path / "net" / "encoded.npy"))
    assert set(encoded.unique().tolist()) <= {0.0, 1.0}
    # Five standard errors of a mean of 200 draws.
    assert (encoded.mean(0) - images).abs().max() < 5 * 0.5 / 200**0.5


def test_the_script_from_the_command_line(tmp_path: Path) -> None:
    saved = trained(BY_HAND[0])
    write_state_dict(saved, Path("best.safetensors"), tmp_path / "net")
    images = (torch.rand(7, *SHAPE) * 255).byte()
    np.save(tmp_path / "images.npy", images.numpy())
    script = "import runpy, sys; del sys.argv[0]; runpy.run_path(sys.argv[0], run_name='__main__')"
    done = elsewhere(tmp_path, script, "net/network.py", "images.npy")
    assert done.returncode == 0, done.stderr
    assert [int(line) for line in done.stdout.split()] == saved.classify(images).tolist()
    done = elsewhere(tmp_path, script, "net/network.py")
    assert done.returncode == 0, done.stderr
    assert [int(line) for line in done.stdout.split()] == saved.classify(torch.zeros(1, *SHAPE)).tolist()


# Classifies every array of wrong.npz, and prints what each was refused with.
REFUSALS = """
import json, runpy, sys
import numpy as np, torch
script = runpy.run_path("net/network.py")
arrays = np.load("wrong.npz")
found = {}
for name in arrays:
    try:
        found[name] = script["classify"](torch.from_numpy(arrays[name])).tolist()
    except ValueError as error:
        found[name] = str(error)
print(json.dumps(found))
"""


def test_the_script_takes_and_refuses_what_classify_does(tmp_path: Path) -> None:
    saved = trained(BY_HAND[0])
    write_state_dict(saved, Path("best.safetensors"), tmp_path / "net")
    images = (torch.rand(5, *SHAPE) * 255).byte().numpy()
    arrays = {
        "bytes": images,
        "int64": images.astype(np.int64),
        "floats": images / np.float32(255),
        "floats 0..255": images.astype(np.float32),
        "negative": images.astype(np.int64) - 200,
        "16 bits": images.astype(np.uint16) * 256,
        "NaN": np.full((1, *SHAPE), np.nan, np.float32),
        "bool": images > 99,
        "one image": images[0],
        "channels last": images.transpose(0, 2, 3, 1),
    }
    np.savez(tmp_path / "wrong.npz", **arrays)  # type: ignore[arg-type]
    done = elsewhere(tmp_path, REFUSALS)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for name, array in arrays.items():
        try:
            expected: object = saved.classify(torch.from_numpy(array)).tolist()
        except InputError as error:
            expected = error.findings[0].problem
        assert found[name] == expected, name
    assert [name for name in arrays if isinstance(found[name], list)] == ["bytes", "int64", "floats"]
    np.save(tmp_path / "images.npy", arrays["floats 0..255"])
    script = "import runpy, sys; del sys.argv[0]; runpy.run_path(sys.argv[0], run_name='__main__')"
    done = elsewhere(tmp_path, script, "net/network.py", "images.npy")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"images: {found['floats 0..255']}\n"


def test_weights_have_plain_names_and_expanded_genes(tmp_path: Path) -> None:
    saved = trained(BY_HAND[0])
    write_state_dict(saved, Path("best.safetensors"), tmp_path / "net")
    tensors = load_file(tmp_path / "net" / "weights.safetensors")
    assert set(tensors) == {
        *("conv1.weight", "conv1.bias", "conv3.weight", "conv3.bias", "fc6.weight", "fc6.bias"),
        *(f"norm4.{n}" for n in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")),
    }
    genes = saved.network.genes
    assert genes is not None
    source, target = genes.E["p0_c5_k9_s1"], genes.E["p2_c5_k9_s1"]
    expected = torch.einsum("cpa,ab,opb->ocp", source, genes.G, target)
    assert torch.allclose(tensors["conv3.weight"].flatten(2), expected, atol=1e-6)


def test_odd_sentences_stay_comments(tmp_path: Path) -> None:
    odd = 'a """quoted""" \\N{sentence}\nimport nothing_at_all {x}'
    saved = dataclasses.replace(trained(BY_HAND[0]), sentence=odd)
    write_state_dict(saved, Path('odd"""\n\\name'), tmp_path / "net")
    text = (tmp_path / "net" / "network.py").read_text()
    compile(text, "network.py", "exec")
    assert "\nimport nothing" not in text


@pytest.mark.skipif(shutil.which("ruff", path=str(Path(sys.executable).parent)) is None, reason="needs ruff")
def test_the_code_is_formatted(tmp_path: Path) -> None:
    ruff = str(Path(sys.executable).parent / "ruff")
    for index, spec in enumerate(BY_HAND):
        write_state_dict(trained(spec), Path("best.safetensors"), tmp_path / f"net{index}")
    for arguments in (["format", "--check"], ["check", "--select", "E,F,I"]):
        command = [ruff, *arguments, "--isolated", "--no-cache", "--line-length", "110", str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_nothing_is_overwritten(kind: str, tmp_path: Path) -> None:
    target = tmp_path / "net"
    mine = target if kind == "file" else target / "mine"
    if kind == "folder":
        target.mkdir()
    mine.write_text("mine")
    with pytest.raises(InputError, match="nothing is overwritten"):
        write_state_dict(trained(BY_HAND[0]), Path("best.safetensors"), target)
    assert mine.read_text() == "mine"
    assert [*tmp_path.rglob("*.py")] == []
