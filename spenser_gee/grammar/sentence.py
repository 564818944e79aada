"""Sentences: the text of a network, parsed by a grammar derived from the search space.

Every choice, count and number of the search space becomes a named rule of a LALR(1) grammar, so the parse
tree is the derivation, and a conflict while the parser is built is an ambiguity of the search space.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from lark import Lark, Token, Tree
from lark.exceptions import GrammarError, UnexpectedInput
from lark.grammar import Rule

from spenser_gee.errors import InputError, Place, input_error, nearest, place_at
from spenser_gee.grammar.check import recursive_edges
from spenser_gee.grammar.derive import (
    CHOICE,
    COUNT,
    LITERAL,
    MAX_GENES,
    NUMBER,
    RECURSION_DEPTH,
    Codon,
    Expansion,
    Genes,
    Op,
    Site,
    expand,
    expansion_of,
)
from spenser_gee.grammar.model import Grammar, Literal, Number, walk
from spenser_gee.grammar.numbers import ANY_NUMBER, NUMBER_PATTERN, KindsByValue, OneKind, shared

#: Per part: its name and the genes of its units.
SentenceGenes = tuple[tuple[str, tuple[Genes, ...]], ...]


class _Deriver:
    """Writes the derived grammar; its names are r<rule>, s<site>, i<site> (a counted item), u<part>."""

    def __init__(self, grammar: Grammar, expansion: Expansion, kinds: OneKind) -> None:
        self.grammar, self.expansion, self.kinds = grammar, expansion, kinds
        self.rule_names = {name: f"_r{index}" for index, name in enumerate(expansion.rules)}
        self.sites = {f"s{index}": site for index, site in enumerate(expansion.sites.values())}
        self.site_names = {site: name for name, site in self.sites.items()}
        self.words: dict[str, str] = {}
        self.lines: list[str] = []
        self.written: set[Site] = set()

    def text(self) -> str:
        self._start()
        for name, rule in self.expansion.rules.items():
            self.lines.append(f"{self.rule_names[name]}: {self._items(rule.body)}")
        self.lines.append(f"{ANY_NUMBER}: /{NUMBER_PATTERN}/")
        self.lines += [f"%declare {kind}" for kind in self.kinds.names[1:]]
        self.lines += [f'{terminal}: "{word}"' for word, terminal in self.words.items()]
        for index, pattern in enumerate(self.grammar.ignored):
            escaped = re.sub(r"(?<!\\)((?:\\\\)*)/", r"\1\/", pattern).replace("\n", "\\n")
            self.lines += [f"_IGNORED{index}: /{escaped}/", f"%ignore _IGNORED{index}"]
        return "\n".join(self.lines) + "\n"

    def _start(self) -> None:
        items: list[str] = []
        for index, part in enumerate(self.grammar.parts):
            items += [self._word(word) for word in part.words]
            unit = f"u{index}"
            if part.minimum == part.maximum == 1:
                items.append(unit)
            else:
                # Any number of units is parsed and counted afterwards: the message can then say "too many".
                items.append(f"_{unit}")
                empty = "" if part.minimum == 0 else unit
                self.lines.append(f"_{unit}: {empty} | _{unit} {unit}")
            self.lines.append(f"{unit}: {self.rule_names[part.rule]}")
        items += [self._word(word) for word in self.grammar.closing]
        self.lines.insert(0, f"start: {' '.join(items)}")

    def _word(self, word: str) -> str:
        return self.words.setdefault(word, f"_W{len(self.words)}")

    def _items(self, reversed_ops: Iterable[Op]) -> str:
        return " ".join(self._item(op) for op in reversed(tuple(reversed_ops)))

    def _item(self, op: Op) -> str:
        tag, what, below = op
        if tag == LITERAL:
            return self._word(what)
        if tag not in (NUMBER, CHOICE, COUNT):
            return self.rule_names[what.name]
        name = self.site_names[what]
        if what not in self.written:
            self.written.add(what)
            self._write_site(tag, name, what, below)
        return name

    def _write_site(self, tag: int, name: str, site: Site, below: Any) -> None:
        if site.domain is not None:
            self.lines.append(f"{name}: {' | '.join(self.kinds.of(site.domain))}")
        elif tag == CHOICE:
            options = (f"{self._items(option)} -> {name}_{index}" for index, option in enumerate(below))
            self.lines.append(f"{name}: {' | '.join(options)}")
        else:
            empty = "" if site.allowed[0] == 0 else f"i{name}"
            self.lines.append(f"i{name}: {self._items(below)}")
            self.lines.append(f"_{name}: {empty} | _{name} i{name}")
            self.lines.append(f"{name}: _{name}")


class SentenceParser:
    """The parser of one grammar. Raises InputError where the grammar is ambiguous."""

    def __init__(self, grammar: Grammar) -> None:
        self.grammar, self.expansion = grammar, expansion_of(grammar)
        try:
            self._build_first()
        except Exception as error:  # beside its own, Lark raises what interegular and re raise
            raise self._build_error(error) from None
        self.terminal_words = {terminal: word for word, terminal in self.deriver.words.items()}
        self.handlers: dict[str, tuple[Site, int | None]] = {}
        for name, site in self.deriver.sites.items():
            self.handlers[name] = (site, None)
            self.handlers |= {f"{name}_{index}": (site, index) for index in range(len(site.shown))}
        self._check_words()

    # -- building ----------------------------------------------------------------------------------------

    def _build_first(self) -> None:
        """The parser, which looks at the values of numbers only where it must: every kind of number enlarges it."""
        try:
            self._build(OneKind())
        except GrammarError as error:
            if ANY_NUMBER not in str(error):
                raise
            found = [rule for rules in self._conflicts(str(error)) for rule in rules]
            named = {origin for _, _, origin, _ in found}
            # Where other rules are in conflict over a number that follows, any range may be the one.
            few = "Reduce/Reduce" in str(error) and all(body == ANY_NUMBER for *_, body in found)
            sites = [site for name, site in self.deriver.sites.items() if not few or name in named]
            self._build(KindsByValue(site.domain for site in sites if site.domain is not None))

    def _build(self, kinds: OneKind) -> None:
        """Sets `deriver` and `lark`. Raises what Lark raises."""
        self.deriver = _Deriver(self.grammar, self.expansion, kinds)
        self.text = self.deriver.text()
        self.lark = self._parser()

    def _parser(self, **options: Any) -> Lark:
        options |= self.deriver.kinds.options
        return Lark(self.text, parser="lalr", strict=True, maybe_placeholders=False, **options)

    def _build_error(self, error: Exception) -> InputError:
        message = str(error)
        if isinstance(error, GrammarError) and "Reduce/Reduce" in message:
            return self._reduce_reduce(message)
        if isinstance(error, GrammarError) and "Shift/Reduce" in message:
            return self._shift_reduce(message)
        place = self.grammar.beginning
        offset = self.grammar.source.find("%ignore")
        if offset >= 0:
            place = place_at(self.grammar.path, self.grammar.source, offset)
        reason = message.split("\n")[0] or type(error).__name__
        problem = f"no parser can be made for this grammar: {self._in_words(reason)}"
        return input_error(place, problem, "check what %ignore skips: blanks and comments only")

    def _in_words(self, text: str) -> str:
        words = {terminal: f'"{word}"' for word, terminal in self.deriver.words.items()}
        words |= {f"_IGNORED{i}": f"/{p}/" for i, p in enumerate(self.grammar.ignored)}
        words |= {"$END": "the end of the text", **dict.fromkeys(self.deriver.kinds.names, "a number")}
        rules = {derived: name for name, derived in self.deriver.rule_names.items()}
        sites = {name: site.label for name, site in self.deriver.sites.items()}
        names = {f"u{i}": part.name for i, part in enumerate(self.grammar.parts)}
        known = {**words, **rules, **sites, **names}
        return re.sub(r"\$END|\w+", lambda m: known.get(m[0], known.get(m[0].lstrip("_"), m[0])), text)

    def _rule_of(self, origin: str) -> tuple[str, Place]:
        """The user's rule (or part) behind a derived rule's name, and its place."""
        if site := self.deriver.sites.get(origin.lstrip("_i")):
            return site.rule, site.place
        for rule, name in self.deriver.rule_names.items():
            if origin == name:
                return rule, self.grammar.place_of(rule)
        part = self.grammar.parts[int(origin.strip("_u") or 0)] if re.fullmatch(r"_?u\d+", origin) else None
        place = part.place if part else self.grammar.place_of("start")
        return "start", place

    def _conflicts(self, message: str) -> list[list[tuple[str, Place, str, str]]]:
        """Of each conflict that Lark names, the rules: the user's, its place, the derived one and what it holds."""
        conflicts = []
        for conflict in message.split("\n\n"):
            found = re.findall(r"<(\w+) : ([^>]*)>", conflict)
            rules = [(*self._rule_of(origin), origin, body.strip()) for origin, body in found]
            conflicts.append(sorted(rules, key=lambda rule: (rule[1].line, rule[1].column, *rule[2:])))
        # Lark lists both the rules and the conflicts in the order of a set.
        return sorted(conflicts, key=lambda rules: [(place.line, place.column) for _, place, *_ in rules])

    def _reduce_reduce(self, message: str) -> InputError:
        rules = self._conflicts(message)[0]
        place = rules[-1][1]
        numbers = all(body in self.deriver.kinds.names for *_, body in rules)
        places = {place for _, place, *_ in rules} if numbers else None
        if recursion := self._recursion([rule for rule, *_ in rules], places):
            return recursion
        if numbers:
            return self._overlap(place, [(rule, origin) for rule, _, origin, _ in rules])
        texts = " and ".join(f"`{rule}: {self._in_words(body)}`" for rule, _, _, body in rules)
        return input_error(
            place,
            f"ambiguous between {texts}",
            "put a word between the parts, or begin each alternative with a keyword of its own",
        )

    def _recursion(self, names: list[str], numbers: set[Place] | None = None) -> InputError | None:
        """Of rules in a conflict, the one that repeats itself by recursion; numbers: in an alternative with one of these."""
        for name in names:
            edges = recursive_edges(self.grammar.rules, name) if name in self.grammar.rules else ()
            for edge, option, reference in edges:
                found = {node.place for node in walk(option) if isinstance(node, Number)}
                if numbers is None or numbers & found:
                    side = "right" if edge == "ends" else "left"
                    problem = f'ambiguous: the rule "{name}" {edge} with itself ({side} recursion), so that one text'
                    remedy = f"repeat with bounds instead of recursion, in {name} or in start:  item~1..5"
                    return input_error(reference.place, f"{problem} can be split in several ways", remedy)
        return None

    def _overlap(self, place: Place, found: list[tuple[str, str]]) -> InputError:
        """Ranges at one place (rule, derived rule) that no number can tell apart."""
        domains = [domain for _, origin in found if (domain := self.deriver.sites[origin].domain) is not None]
        ranges = " and ".join(f"{domain} in {rule}" for domain, (rule, _) in zip(domains, found, strict=True))
        problem = f"two numeric ranges at one place: {ranges}, which share {shared(domains)}"
        remedy = "put a word before one of them, or join the ranges, or move a bound: bounds are inclusive"
        return input_error(place, problem, remedy)

    def _shift_reduce(self, message: str) -> InputError:
        terminal = re.search(r"for terminal (\S+?)\.", message)
        reduced = re.search(r"<(\w+) : ([^>]*)>", message)
        rule, place = self._rule_of(reduced[1]) if reduced else ("start", self.grammar.beginning)
        inner = [self._rule_of(word)[0] for word in re.findall(r"_r\d+", reduced[2])] if reduced else []
        parts = [part.rule for part in self.grammar.parts if rule == "start"]
        if recursion := self._recursion([rule, *inner, *parts]):
            return recursion
        word = self._in_words(terminal[1]).removeprefix("a ") if terminal else "word"
        return input_error(
            place,
            f"ambiguous: after `{rule}: {self._in_words(reduced[2]).strip() if reduced else ''}` the next "
            f"{word} may still belong to it or begin what follows",
            "put a word between the two, or begin each alternative with a keyword of its own",
        )

    def _check_words(self) -> None:
        """Words that the lexer would take for something else."""
        for word, terminal in self.deriver.words.items():
            for pattern in self.grammar.ignored:
                if re.match(pattern, word):
                    problem = f'the word "{word}" begins like what %ignore skips'
                    raise input_error(self._place_of_word(word), problem, "choose another word")
            if re.match(NUMBER_PATTERN, word):
                table = self.lark.parser.parser._parse_table.states
                kinds = set(self.deriver.kinds.names)
                if any(terminal in actions and kinds & set(actions) for actions in table.values()):
                    problem = f'the word "{word}" stands beside a numeric gene and looks like a number'
                    raise input_error(self._place_of_word(word), problem, "choose another word")

    def _place_of_word(self, word: str) -> Place:
        for name in self.grammar.reachable():
            for node in walk(self.grammar.rules[name]):
                if isinstance(node, Literal) and node.text == word:
                    return node.place
        return self.grammar.place_of("start")

    # -- parsing -----------------------------------------------------------------------------------------

    def parse(self, text: str, name: str) -> SentenceGenes:
        """The genes of every unit. Raises InputError."""
        try:
            tree = self.lark.parse(text)
        except UnexpectedInput as error:
            raise self._parse_error(error, text, name) from None
        units: list[list[Tree[Token]]] = [[] for _ in self.grammar.parts]
        for child in tree.children:
            assert isinstance(child, Tree)
            units[int(child.data[1:])].append(child)
        result = []
        for index, part in enumerate(self.grammar.parts):
            if not part.minimum <= len(units[index]) <= part.maximum:
                raise self._unit_count(index, len(units[index]), text, name)
            result.append((part.name, tuple(self._genes(unit, text, name) for unit in units[index])))
        self._check_depth(result, text, name)
        return tuple(result)

    def _genes(self, unit: Tree[Token], text: str, name: str) -> Genes:
        genes: dict[str, list[Codon]] = {}
        stack: list[Any] = [unit]
        handlers = self.handlers
        while stack:
            tree = stack.pop()
            handler = handlers.get(tree.data)
            if handler is not None:
                site, codon = handler
                value: Codon
                if codon is not None:
                    value = codon
                elif site.domain is not None:
                    value = _number(site, tree.children[0], text, name)
                    genes.setdefault(site.name, []).append(value)
                    continue
                else:
                    value = len(tree.children)
                    if not site.allowed[0] <= value <= site.allowed[-1]:
                        raise self._item_count(site, value, text, name)
                genes.setdefault(site.name, []).append(value)
            stack.extend(reversed(tree.children))
        return {site_name: tuple(values) for site_name, values in genes.items()}

    def _check_depth(self, result: SentenceGenes | list[Any], text: str, name: str) -> None:
        for part, units in zip(self.grammar.parts, result, strict=True):
            for index, genes in enumerate(units[1]):
                if not self.expansion.recursive and sum(map(len, genes.values())) <= MAX_GENES:
                    continue
                if expand(self.expansion, part.rule, genes).genes != genes:
                    problem = (
                        f"unit {index + 1} of {part.name} is nested deeper than {RECURSION_DEPTH} recursive "
                        f"rules or has more than {MAX_GENES} genes"
                    )
                    raise input_error(self._unit_place(part.name, index, text, name), problem, "simplify it")

    def _located(self, text: str) -> Tree[Token]:
        """The parse tree again, with positions; kept out of the fast path."""
        return self._parser(propagate_positions=True, keep_all_tokens=True).parse(text)

    def _unit_place(self, part_name: str, index: int, text: str, name: str) -> Place:
        parts = [part.name for part in self.grammar.parts]
        wanted = f"u{parts.index(part_name)}"
        found = [t for t in self._located(text).children if isinstance(t, Tree) and t.data == wanted]
        return place_at(name, text, found[index].meta.start_pos if index < len(found) else 0)

    def _unit_count(self, index: int, count: int, text: str, name: str) -> InputError:
        part = self.grammar.parts[index]
        allowed = _span(part.minimum, part.maximum)
        if count > part.maximum:
            place = self._unit_place(part.name, part.maximum, text, name)
            problem = (
                f'unit {part.maximum + 1} of "{part.name}" is one too many: {allowed} allowed, {count} found'
            )
            return input_error(place, problem, f"remove {count - part.maximum}")
        # The place where the missing unit would stand: after the last one, or at the start of the text.
        place = self._unit_place(part.name, max(count - 1, 0), text, name)
        problem = f'"{part.name}" has too few units: {allowed} allowed, {count} found'
        return input_error(place, problem, f"add {part.minimum - count}")

    def _item_count(self, site: Site, count: int, text: str, name: str) -> InputError:
        wanted = self.deriver.site_names[site]
        low, high = site.allowed[0], site.allowed[-1]
        place = place_at(name, text, 0)
        for tree in self._located(text).find_data(wanted):
            items = [
                child for child in tree.children if isinstance(child, Tree) and child.data == f"i{wanted}"
            ]
            if len(items) == count:
                place = place_at(name, text, items[min(high, count - 1)].meta.start_pos)
                break
        problem = f"{count} times {site.label} (in {site.rule}): {_span(low, high)} allowed"
        remedy = f"remove {count - high}" if count > high else f"add {low - count}"
        return input_error(place, problem, remedy)

    def _parse_error(self, error: UnexpectedInput, text: str, name: str) -> InputError:
        token = getattr(error, "token", None)
        ended = token is not None and token.type == "$END"
        offset = len(text.rstrip()) if ended else (error.pos_in_stream or 0)
        # What the parser would really take next, the end included; the lexer's own list lacks that.
        wanted: set[str] = set(error.interactive_parser.accepts())  # type: ignore[no-untyped-call]
        if not ended and token is not None and (sites := self._number_sites(error, token, wanted)):
            return _off_range(sites, token, text, name)
        words = [self.terminal_words[t] for t in sorted(wanted, key=_order) if t in self.terminal_words]
        shown = [f'"{word}"' for word in words]
        shown += ["a number"] if wanted & set(self.deriver.kinds.names) else []
        shown += ["the end of the text"] if "$END" in wanted else []
        if len(shown) > 12:
            shown = [*shown[:11], f"{len(shown) - 11} others"]
        run = re.match(r"([\w.+-]|[^\x00-\x7f\s])+|\S", text[offset:])
        found = "the end of the text" if ended or run is None else f'"{run[0][:40]}"'
        hint = "" if ended or run is None else nearest(run[0][:40], words)
        expected = shown[0] if len(shown) == 1 else " or ".join(shown)
        problem = f"expected {expected}, found {found}{hint}"
        remedy = f"write {expected} here" if len(shown) == 1 else ""
        if wanted == {"$END"}:
            remedy = "remove the rest"
        elif ended:
            remedy = "the text stops too early; the grammar's start rule gives the parts and their order"
        return input_error(place_at(name, text, offset), problem, remedy)

    def _number_sites(self, error: UnexpectedInput, token: Token, wanted: set[str]) -> list[Site]:
        """Where a number of another kind could have stood instead of this one."""
        kinds = set(self.deriver.kinds.names)
        if token.type not in kinds:
            return []
        origins = set()
        for kind in wanted & kinds:
            parser = error.interactive_parser.copy(deepcopy_values=False)  # type: ignore[no-untyped-call]
            parser.feed_token(Token(kind, ""))
            origins |= {rule.origin.name for _, rule in parser.choices().values() if isinstance(rule, Rule)}
        return [site for name, site in self.deriver.sites.items() if name in origins]


def _order(terminal: str) -> tuple[int, str]:
    return (int(terminal[2:]) if terminal.startswith("_W") else 0, terminal)


def _span(low: int, high: int) -> str:
    return str(low) if low == high else f"{low} to {high}"


def _number(site: Site, token: Token, text: str, name: str) -> Codon:
    assert site.domain is not None
    value = site.domain.read(token)
    if value is None:
        raise _off_range([site], token, text, name)
    return value


def _off_range(sites: list[Site], token: Token, text: str, name: str) -> InputError:
    """A number outside of all the ranges that are open at its place."""
    domains = [(domain, site.label) for site in sites if (domain := site.domain) is not None]
    wanted = " or ".join(dict.fromkeys(f"{domain.describe()} ({label})" for domain, label in domains))
    ranges = " or ".join(dict.fromkeys(str(domain) for domain, _ in domains))
    place = place_at(name, text, token.start_pos or 0)
    return input_error(place, f"{token[:40]} is not {wanted}", f"the grammar's range is {ranges}")


@lru_cache(maxsize=64)
def sentence_parser(grammar: Grammar) -> SentenceParser:
    """The parser of a grammar; made once. Raises InputError where the grammar is ambiguous."""
    return SentenceParser(grammar)


def parse_sentence(grammar: Grammar, text: str, name: str = "<sentence>") -> SentenceGenes:
    """The genes that a sentence stands for: per part its name and, per unit, site name -> codons.

    Raises InputError at the place where the sentence leaves the grammar or a number its range.
    """
    return sentence_parser(grammar).parse(text, name)


def join_tokens(grammar: Grammar, units: Sequence[tuple[str, tuple[str, ...]]]) -> str:
    """One line of text for the tokens of all units (part name, tokens), section words added."""
    waiting: dict[str, list[tuple[str, ...]]] = {part.name: [] for part in grammar.parts}
    for part_name, tokens in units:
        waiting[part_name].append(tokens)
    words: list[str] = []
    for part in grammar.parts:
        words += part.words
        for tokens in waiting[part.name]:
            words += tokens
    text = " ".join([*words, *grammar.closing])
    # `key=value` reads better; safe where "=" is a word of its own in the whole grammar.
    return text.replace(" = ", "=") if expansion_of(grammar).glue_equals else text
