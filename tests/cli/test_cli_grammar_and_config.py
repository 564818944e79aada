"""`grammar check|sample|parse` and `config check`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from test_cli_usage import cli_main
from tiny_runs import GRAMMAR, write_tiny

from spenser_gee.config import Config
from spenser_gee.genotype import genotype_from_sentence, sentence_of
from spenser_gee.grammar import load_grammar

Captured = pytest.CaptureFixture[str]


def test_check(capsys: Captured) -> None:
    code, output, errors = cli_main(capsys, "grammar", "check", GRAMMAR, "--shape", "1x8x8")
    assert (code, errors) == (0, "")
    assert "no errors, 0 warnings" in output
    assert "features 1..2" in output
    code, output, _ = cli_main(capsys, "grammar", "check", GRAMMAR, "--json")
    values = json.loads(output)
    assert code == 0
    assert values["sha256"] == load_grammar(GRAMMAR).sha256
    assert values["parts"][0] == ["features", 1, 2]


@pytest.mark.parametrize("shape", ["8x8", "1x0x8", "1x8x8x8", "1x-8x8", "axbxc", ""])
def test_wrong_shapes(capsys: Captured, shape: str) -> None:
    code, output, errors = cli_main(capsys, "grammar", "check", GRAMMAR, "--shape", shape)
    assert (code, output) == (2, "")
    assert "channels x height x width" in errors


def test_samples_are_sentences_and_follow_the_seed(capsys: Captured) -> None:
    code, first, errors = cli_main(capsys, "grammar", "sample", GRAMMAR, "-n", "5", "--seed", "7")
    assert (code, errors) == (0, "")
    _, again, _ = cli_main(capsys, "grammar", "sample", GRAMMAR, "-n", "5", "--seed", "7")
    _, other, _ = cli_main(capsys, "grammar", "sample", GRAMMAR, "-n", "5", "--seed", "8")
    assert first == again != other
    grammar = load_grammar(GRAMMAR)
    lines = first.splitlines()
    assert len(set(lines)) == 5
    assert [sentence_of(genotype_from_sentence(grammar, line), grammar) for line in lines] == lines


def test_parse(capsys: Captured, tmp_path: Path) -> None:
    _, sentence, _ = cli_main(capsys, "grammar", "sample", GRAMMAR)
    net = tmp_path / "one.net"
    net.write_bytes(b"\xef\xbb\xbf# by hand\r" + sentence.replace(" ", "\r").encode())
    options = ("--grammar", GRAMMAR, "--shape", "1x8x8", "--classes", "10")
    code, output, errors = cli_main(capsys, "grammar", "parse", net, *options)
    assert (code, errors) == (0, "")
    assert "parameters" in output
    code, output, _ = cli_main(capsys, "grammar", "parse", net, *options, "--json")
    values = json.loads(output)
    assert code == 0
    assert values["layers"][-1]["output"] == [10, 1, 1]
    assert values["parameters"] >= sum(layer["parameters"] for layer in values["layers"])


def test_a_wrong_sentence_is_located(capsys: Captured, tmp_path: Path) -> None:
    net = tmp_path / "one.net"
    net.write_text("features conv\n  filters=four\n")
    code, output, errors = cli_main(capsys, "grammar", "parse", net, "--grammar", GRAMMAR)
    assert (code, output) == (2, "")
    assert f"{net}:2:11: " in errors
    assert "\n              ^" in errors
    code, output, errors = cli_main(capsys, "grammar", "parse", tmp_path / "one.met", "--grammar", GRAMMAR)
    assert (code, output) == (2, "")
    assert f'cannot read the network: No such file or directory; did you mean "{net}"?' in errors


def test_config_check(capsys: Captured, tmp_path: Path) -> None:
    path = write_tiny(tmp_path)
    code, output, errors = cli_main(capsys, "config", "check", path, "--set", "seed=9")
    assert (code, errors) == (0, "")
    config = Config.from_dict(yaml.safe_load(output))
    assert (config.seed, config.search.redraws) == (9, 100)
    code, output, _ = cli_main(capsys, "config", "check", path, "--set", "seed=9", "--json")
    assert (code, json.loads(output)) == (0, config.to_dict())


def test_another_grammar_says_which_sizes_to_set(capsys: Captured, tmp_path: Path) -> None:
    grammar = tmp_path / "other.lark"
    words = "%import .numeric (int)\n%import common (WS)\n%ignore WS\n"
    grammar.write_text(f'start: "f" layers~1..2\nlayers: "fc" "units" "=" int{{"1", "9"}}\n{words}')
    options = ("config", "check", write_tiny(tmp_path), "--set", f"grammar={grammar}")
    code, output, errors = cli_main(capsys, *options)
    assert (code, output) == (2, "")
    assert 'search.sizes: the grammar has no part "classification", "features"' in errors
    assert "use its parts (layers), or --set search.sizes={}" in errors
    assert cli_main(capsys, *options, "--set", "search.sizes={}")[0] == 0
    assert cli_main(capsys, *options, "--set", "search.sizes={layers: [1, 2]}")[0] == 0


def test_a_key_that_the_preset_of_mutation_would_ignore(capsys: Captured, tmp_path: Path) -> None:
    options = ("config", "check", write_tiny(tmp_path), "--set", "search.mutation.add=0.5")
    code, output, errors = cli_main(capsys, *options)
    assert (code, output) == (2, "")
    assert "search.mutation.add: the preset few-changes has no such key" in errors
    assert cli_main(capsys, *options, "--set", "search.mutation.preset=spenser")[0] == 0


def test_every_problem_of_a_configuration_is_told(capsys: Captured, tmp_path: Path) -> None:
    path = write_tiny(tmp_path)
    path.write_text(path.read_text().replace("time_steps: 4", "time_step: 4") + "bogus: 1\n")
    code, output, errors = cli_main(capsys, "config", "check", path)
    assert (code, output) == (2, "")
    assert 'did you mean "time_steps"' in errors
    assert "unknown key bogus" in errors
    assert f"{path}:" in errors
