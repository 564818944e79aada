"""Lark's definitions -> the nodes of `model`, refusing what has no meaning in a search space."""

from __future__ import annotations

import math
from typing import Any

from lark import Token, Tree
from lark.grammar import Symbol, Terminal

from spenser_gee.errors import Finding, InputError, Place, escaped, nearest
from spenser_gee.grammar.domains import FloatDomain, IntDomain
from spenser_gee.grammar.lark_loader import Definition, Definitions, bodies, tokens
from spenser_gee.grammar.model import (
    Alternatives,
    Literal,
    Node,
    Number,
    Part,
    Reference,
    Repetition,
    Sequence,
)
from spenser_gee.grammar.numbers import NUMBER_PATTERN

NUMERIC = ("int", "log_int", "float", "log_float")
#: The largest count that `~n..m` may name, and the deepest tree of a rule (3 levels a bracket).
MAX_REPEAT = 1000
MAX_NESTING = 120

_EMPTY = Sequence(())


class Converter:
    """Converts every rule; collects all findings instead of stopping at the first."""

    def __init__(self, definitions: Definitions) -> None:
        self.definitions = definitions
        self.findings: list[Finding] = []
        self.rule = definitions.main.path
        self.head = definitions.main.beginning
        self.names = _own_names(definitions)

    def refuse(self, place: Place, problem: str, remedy: str = "") -> Node:
        self.findings.append(Finding(place, problem, remedy))
        return _EMPTY

    def convert_all(self) -> dict[str, Node]:
        """Every rule's node, `start` among them; numeric templates are left out. Raises InputError."""
        rules: dict[str, Node] = {}
        for name, definition in self.definitions.rules.items():
            self.rule, self.head = name, definition.place
            if definition.tree is None:
                self.refuse(
                    self.definitions.main.beginning,
                    f'%declare of "{name}" has no meaning here',
                    "write the rule itself",
                )
            elif definition.params:
                self._check_template(definition)
            elif _depth(definition.tree) > MAX_NESTING:
                self.refuse(self.head, "brackets are nested too deeply", "give the inner ones a rule")
            else:
                self._check_options(definition)
                rules[self.names[name]] = self._rule(definition)
        if "start" not in rules:
            remedy = 'write  start: "features" features~1..6 "output" output'
            self.refuse(self.definitions.main.beginning, 'there is no rule "start"', remedy)
        if self.findings:
            raise InputError(*self.findings)
        return rules

    # -- rules -------------------------------------------------------------------------------------

    def _check_template(self, definition: Definition) -> None:
        if _kind(definition.name) not in NUMERIC:
            self.refuse(
                definition.place,
                f'"{definition.name}" is a template of your own, which a search space does not know',
                f"write an ordinary rule; the templates are {', '.join(NUMERIC)} (keep their names)",
            )
            return
        body = list(definition.tree.scan_values(lambda value: isinstance(value, Token | Symbol)))
        terminal = self.definitions.terminals.get(getattr(body[0], "name", "")) if len(body) == 1 else None
        regular = tokens(terminal.tree) if terminal else []
        if len(definition.params) != 2 or [str(token) for token in regular] != [f"/{NUMBER_PATTERN}/"]:
            self.refuse(
                definition.place,
                f'the template "{definition.name}" is not the one of numeric.lark',
                f"remove it and write  %import .numeric ({_kind(definition.name)})",
            )

    def _check_options(self, definition: Definition) -> None:
        name, options = definition.name, definition.options
        if options.priority is not None:
            self.refuse(
                definition.place,
                f'the rule "{name}" has a priority ({options.priority}), which would hide ambiguities',
                "remove it; to draw an alternative more often, repeat it:  a | a | b",
            )
        if options.expand1 or options.keep_all_tokens or name.startswith("_"):
            sign = "?" if options.expand1 else "!" if options.keep_all_tokens else "_"
            self.refuse(
                definition.place,
                f'a rule that begins with "{sign}" has no meaning in a search space',
                f'write "{name.lstrip("_")}" without it',
            )

    def _rule(self, definition: Definition) -> Node:
        *extensions, own = bodies(definition.tree)
        # Lark puts extensions first, the last one foremost; here they follow in the order of the text.
        options = list(own.children)
        for extension in reversed(extensions):
            options += extension.children
        return self._alternatives(options)

    # -- nodes -------------------------------------------------------------------------------------

    def place(self, item: Any) -> Place:
        """The place of the first thing in `item` whose place is known, else the rule's."""
        return self._known_place(item) or self.head

    def _known_place(self, item: Any) -> Place | None:
        if isinstance(item, Tree):
            found = (self._known_place(child) for child in item.children)
            return next((place for place in found if place is not None), None)
        return self.definitions.place(item)

    def _alternatives(self, options: list[Any]) -> Node:
        weights: dict[Node, int] = {}
        for option in options:
            node = self.node(option)
            weights[node] = weights.get(node, 0) + 1
        if len(weights) == 1:
            return next(iter(weights))
        place = self.place(Tree("expansions", options))
        return Alternatives(tuple(weights), tuple(weights.values()), place)

    def node(self, tree: Any) -> Node:
        """The node of one of Lark's trees."""
        match tree.data:
            case "expansions":
                return self._alternatives(tree.children)
            case "expansion":
                items = [self.node(child) for child in tree.children]
                return items[0] if len(items) == 1 else Sequence(tuple(items), self.place(tree))
            case "expr":
                return self._repetition(tree)
            case "maybe":
                item = self.node(tree.children[0])
                return Repetition(item, 0, 1, self.place(tree))
            case "value":
                return self._value(tree.children[0])
            case "alias":
                return self.refuse(self.place(tree), "an alias (->) has no meaning here", "remove it")
        return self.refuse(self.place(tree), f"{tree.data} has no meaning here", "use words and rules")

    def _repetition(self, tree: Any) -> Node:
        inner, sign, *numbers = tree.children
        item = self.node(inner)
        place = self.definitions.place(sign) or self.place(tree)
        if sign == "?":
            return Repetition(item, 0, 1, place)
        if sign != "~":
            remedy = "give bounds, e.g. x~0..5" if sign == "*" else "give bounds, e.g. x~1..5"
            return self.refuse(place, f'"{sign}" is an unbounded repetition', remedy)
        minimum, maximum = int(numbers[0]), int(numbers[-1])
        if not 0 <= minimum <= maximum or maximum == 0:
            text = f"~{minimum}..{maximum}" if len(numbers) == 2 else f"~{minimum}"
            return self.refuse(place, f"{text} is an empty range", "write ~n..m with 0 <= n <= m and m >= 1")
        if maximum > MAX_REPEAT:
            return self.refuse(place, f"~{minimum}..{maximum} repeats too often", f"at most {MAX_REPEAT}")
        return Repetition(item, minimum, maximum, place)

    def _value(self, item: Any) -> Node:
        if isinstance(item, Symbol):
            return self._reference(item)
        if item.data == "literal":
            return self._literal(item.children[0])
        if item.data == "template_usage":
            return self._number(item)
        place = self.place(item)
        return self.refuse(place, "a range of letters cannot be sampled", "list the words:  a | b | c")

    def _reference(self, symbol: Symbol) -> Node:
        name, place = str(symbol.name), self.place(symbol)
        if isinstance(symbol, Terminal):
            return self._terminal(name, place)
        if name not in self.definitions.rules:
            known = [*self.names.values(), *NUMERIC]
            remedy = f"define it:  {name}: ..." if name not in NUMERIC else f"%import .numeric ({name})"
            return self.refuse(
                place, f'the rule "{name}" is not defined{nearest(name, {*known} - {name})}', remedy
            )
        if self.definitions.rules[name].params:
            return self.refuse(
                place, f'"{name}" needs its two bounds', f'write  {name}{{"1", "5"}}  with bounds of your own'
            )
        if name == "start":
            return self.refuse(
                place, '"start" cannot be used inside a rule', "make a rule for the inner part"
            )
        return Reference(self.names[name], place)

    def _terminal(self, name: str, place: Place) -> Node:
        terminal = self.definitions.terminals.get(name)
        if terminal is None:
            known = list(self.definitions.terminals)
            problem = f'the terminal "{name}" is not defined{nearest(name, known)}'
            return self.refuse(place, problem, "rules are written in small letters")
        found = tokens(terminal.tree) if terminal.tree else []
        if len(found) == 1 and found[0].type == "STRING":
            return self._literal(found[0], place)
        return self.refuse(
            place,
            f'the terminal "{name}" is a pattern, from which no word can be drawn',
            'use "words", rules, or a numeric gene such as int{"1", "5"}',
        )

    def _literal(self, token: Token, place: Place | None = None) -> Node:
        place = place or self.place(token)
        if token.type == "REGEXP":
            remedy = 'use "words", rules, or a numeric gene such as int{"1", "5"}'
            return self.refuse(place, f"no word can be drawn from the regular expression {token}", remedy)
        if token.endswith("i"):
            return self.refuse(place, f"{token} ignores case, so it has no one spelling", "remove the i")
        text = str(token)[1:-1]
        if not text:
            return self.refuse(place, "this word is empty", "for an optional part write  x?")
        if any(char.isspace() or not char.isprintable() or char in '\\"' for char in text):
            remedy = "a word holds no blanks, quotes or backslashes; write several words"
            hidden = "" if text.isprintable() else f" (written {escaped(text)})"
            return self.refuse(place, f"{token} is not one word{hidden}", remedy)
        return Literal(text, place)

    # -- numeric genes -------------------------------------------------------------------------------

    def _number(self, usage: Any) -> Node:
        symbol, *arguments = usage.children
        name, place = str(symbol.name), self.place(symbol)
        template = self.definitions.rules.get(name)
        kind = _kind(name)
        if template is None:
            hint = "" if name in NUMERIC else nearest(name, NUMERIC)
            remedy = f"write  %import .numeric ({name})" if name in NUMERIC else f"use {', '.join(NUMERIC)}"
            return self.refuse(place, f'the template "{name}" is not defined{hint}', remedy)
        if not template.params or kind not in NUMERIC:
            return self.refuse(place, f'"{name}" takes no arguments', f"remove the {{...}} after {name}")
        if len(arguments) != 2:
            remedy = f'write  {name}{{"1", "5"}}  with bounds of your own'
            return self.refuse(place, f"{name} takes 2 bounds, not {len(arguments)}", remedy)
        lo, hi = [self._bound(argument, kind) for argument in arguments]
        if lo is None or hi is None:
            return _EMPTY
        log = kind.startswith("log_")
        try:
            if kind.endswith("int"):
                return Number(IntDomain(int(lo), int(hi), log), place)
            return Number(FloatDomain(float(lo), float(hi), log), place)
        except ValueError as error:
            shown = f'{name}{{"{lo}", "{hi}"}}'
            return self.refuse(self.place(arguments[0]), f"{shown}: {error}", "both bounds are inclusive")

    def _bound(self, argument: Any, kind: str) -> int | float | None:
        found = tokens(Tree("argument", [argument]))
        place = self.place(argument)
        if len(found) != 1 or found[0].type != "STRING" or found[0].endswith("i"):
            self.refuse(place, f"a bound of {kind} is a quoted number", 'for instance  int{"1", "5"}')
            return None
        text = str(found[0])[1:-1]
        value: float
        try:
            # Python's float() also takes blanks and 1_000, which the sentences do not.
            value = float(text) if "_" not in text and text == text.strip() else math.nan
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            self.refuse(place, f'the bound "{text}" is not a finite number', 'for instance  "0.5"')
            return None
        if not kind.endswith("int"):
            return value + 0.0
        if value != int(value):
            remedy = "round it, or use a float range"
            self.refuse(place, f'the bound "{text}" of {kind} is not a whole number', remedy)
            return None
        return int(value)


def _depth(tree: Any) -> int:
    """The levels of a tree; without recursion, since it guards what recurs."""
    deepest, waiting = 0, [(tree, 1)]
    while waiting:
        item, level = waiting.pop()
        deepest = max(deepest, level)
        waiting += [(child, level + 1) for child in item.children if isinstance(child, Tree)]
    return deepest


def _own_names(definitions: Definitions) -> dict[str, str]:
    """Rule names without the prefix that Lark puts before what comes along with an import (spenser__conv),
    wherever the plain name is free: an imported grammar keeps its part names."""
    plain = {name: _kind(name) for name in definitions.rules}
    taken = list(plain.values())
    names = {}
    for name, definition in definitions.rules.items():
        imported = definition.place.file != definitions.main.path
        free = taken.count(plain[name]) == 1
        names[name] = plain[name] if imported and free and plain[name] else name
    return names


def _kind(name: str) -> str:
    """The template's own name: what is imported through another grammar is called `other__int`."""
    return name.split("__")[-1]


def parts_of(start: Node, places: dict[str, Place]) -> tuple[tuple[Part, ...], tuple[str, ...]]:
    """The parts that `start` names and the words after the last. Raises InputError."""
    items = start.items if isinstance(start, Sequence) else (start,)
    parts: list[Part] = []
    words: list[str] = []
    findings = []
    names: set[str] = set()
    for item in items:
        inner, minimum, maximum = item, 1, 1
        if isinstance(item, Repetition):
            inner, minimum, maximum = item.item, item.minimum, item.maximum
        if isinstance(item, Literal):
            words.append(item.text)
        elif isinstance(inner, Reference):
            name, count = inner.rule, 2
            while name in names:
                name, count = f"{inner.rule}_{count}", count + 1
            names.add(name)
            parts.append(Part(name, inner.rule, minimum, maximum, tuple(words), inner.place))
            words = []
        else:
            remedy = 'start names words and parts only:  "features" features~1..6 "output" output'
            what = {Alternatives: "alternatives", Number: "a number"}.get(type(inner), "a group")
            findings.append(Finding(inner.place, f'"start" cannot hold {what}', f"give it a rule; {remedy}"))
    if not parts and not findings:
        findings.append(Finding(places["start"], '"start" names no part', "name at least one rule in it"))
    if findings:
        raise InputError(*findings)
    return tuple(parts), tuple(words)
