"""From text to syntax. docs/selectors.md has the grammar, which the methods below follow."""

from __future__ import annotations

import re
from typing import Literal, cast

from passes.placement.selectors.errors import SelectorError
from passes.placement.selectors.syntax import (
    EVERYTHING,
    And,
    Between,
    Ends,
    Index,
    Matching,
    Neighbours,
    Not,
    Or,
    Pattern,
    Pick,
    Selector,
    Step,
    picked,
)
from passes.placement.selectors.words import (
    QUOTES,
    end_of_quoted,
    end_of_word,
    unclosed,
    unquoted,
)

MAX_LENGTH = 20_000
"""Characters of a selector. The longest list of layers that somebody types is far below."""
MAX_DEPTH = 50
"""How deep parentheses, calls and `not` may nest: reading and evaluating recur as deep."""
MAX_STEPS = 50
"""Steps of a pattern."""

PREFIXES = ("type", "name", "glob", "re", "index", "pdl")
CALLS = ("first", "last", "between", "users", "producers", "pattern")
KEYWORDS = ("and", "or", "not")
EXPECTED = ", ".join([*(f"{name}:..." for name in PREFIXES), *(f"{name}(...)" for name in CALLS)])

_INTEGER = re.compile(r"-?\d{1,9}")
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
_TYPE = re.compile(r"\w[\w.]*")
_INDEX = re.compile(r"(?P<type>[\w.]*)(?P<subscript>\[.*\])", re.DOTALL)


def parse(text: str) -> Selector:
    """The syntax of one selector. Raises SelectorError."""
    if len(text) > MAX_LENGTH:
        raise SelectorError(
            f"a selector has at most {MAX_LENGTH} characters, this one has {len(text)}", text, 0, 1
        )
    parser = _Parser(text)
    selector = parser.selector(0)
    if parser.position < len(text):
        raise parser.error_behind_selector()
    return selector


class _Parser:
    """Reads from `position` on. White space is skipped behind everything that was read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.space()

    # --- precedence, the loosest first ------------------------------------------------------

    def selector(self, depth: int) -> Selector:
        start = self.position
        operands = [self.conjunction(depth)]
        while self.take_keyword("or"):
            operands.append(self.conjunction(depth))
        return operands[0] if len(operands) == 1 else Or(start, self.end(), tuple(operands))

    def conjunction(self, depth: int) -> Selector:
        start = self.position
        operands = [self.negation(depth)]
        while self.take_keyword("and"):
            operands.append(self.negation(depth))
        return operands[0] if len(operands) == 1 else And(start, self.end(), tuple(operands))

    def negation(self, depth: int) -> Selector:
        start = self.position
        if depth >= MAX_DEPTH:
            raise self.error(f"a selector nests at most {MAX_DEPTH} deep", start)
        if self.take_keyword("not"):
            operand = self.negation(depth + 1)
            return Not(start, self.end(), operand)
        if self.take("("):
            inside = self.selector(depth + 1)
            self.expect(")", "to close the parenthesis")
            return inside
        return self.primary(depth)

    def primary(self, depth: int) -> Selector:
        start = self.position
        name = _IDENTIFIER.match(self.text, start)
        if name is None:
            raise self.error(f"expected {EXPECTED}", start)
        word, behind = name[0], name.end()
        if self.text.startswith(":", behind):
            if word in PREFIXES:
                self.position = behind + 1
                return self.prefixed(word, start)
            raise self.error(f"there is no '{word}:'; expected {EXPECTED}", start, behind + 1)
        self.position = behind
        self.space()
        if word in CALLS and self.take("("):
            return self.call(word, start, depth)
        if word in CALLS:
            raise self.error(f"'{word}' needs parentheses: {word}(...)", start, behind)
        if word in PREFIXES:
            raise self.error(f"'{word}' is followed by a colon: {word}:...", start, behind)
        end = self.word_end(start)
        if word in KEYWORDS or word != self.text[start:end]:
            raise self.error(f"expected {EXPECTED}", start, end)
        raise self.error(f"write type:{word}, name:{word}, or another of {EXPECTED}", start, end)

    # --- prefix:argument --------------------------------------------------------------------

    def prefixed(self, kind: str, start: int) -> Selector:
        argument_start = self.position
        written = self.word()
        end = argument_start + len(written)
        argument = unquoted(written)
        if not argument:
            raise self.error(f"'{kind}:' needs something behind the colon", start, end)
        if written[0] in QUOTES:
            argument_start += 1
        if kind == "index":
            return self.index(argument, start, end, argument_start)
        kind = cast(Literal["type", "name", "glob", "re", "pdl"], kind)
        return Matching(start, end, kind, argument, argument_start)

    def word(self) -> str:
        """A word as it is written, quotes included."""
        start = self.position
        if start < len(self.text) and self.text[start] in QUOTES:
            end = end_of_quoted(self.text, start)
            if end is None:
                raise self.error("this quote is not closed; a quote in quotes is doubled", start)
        else:
            end = end_of_word(self.text, start)
            opened = unclosed(self.text, start, end)
            if opened is not None:
                raise self.error(
                    "this parenthesis is not closed; a name that has one alone goes in quotes",
                    opened,
                )
        self.position = end
        self.space()
        return self.text[start:end]

    def index(self, argument: str, start: int, end: int, argument_start: int) -> Index:
        match = _INDEX.fullmatch(argument)
        if match is None:
            raise self.error(
                "an index is written index:conv[0], index:conv[1:3] or index:[3:17]",
                argument_start,
                end,
            )
        inner = _Parser(self.text)
        inner.position = argument_start + match.start("subscript") + 1
        inner.space()
        pick = inner.pick()
        inner.expect("]", "to close the bracket")
        if inner.position < argument_start + len(argument):
            raise self.error("nothing may follow the bracket", inner.position, end)
        return Index(start, end, match["type"] or None, pick)

    def pick(self) -> Pick:
        """`0`, `-1`, `1:`, `3:17`, `::2`, without the brackets around it."""
        start = self.position
        parts = [self.optional_integer()]
        while len(parts) < 3 and self.take(":"):
            parts.append(self.optional_integer())
        if len(parts) > 1:
            if parts[2:] == [0]:
                raise self.error("a slice cannot take steps of 0", start, self.end())
            return slice(*parts)
        if parts[0] is None:
            raise self.error("an index or a slice is expected here: 0, -1, 1:, 3:17", start)
        return parts[0]

    def optional_integer(self) -> int | None:
        match = _INTEGER.match(self.text, self.position)
        if match is None:
            return None
        self.position = match.end()
        self.space()
        return int(match[0])

    # --- name(...) --------------------------------------------------------------------------

    def call(self, name: str, start: int, depth: int) -> Selector:
        match name:
            case "first" | "last":
                return self.ends(name, start, depth)
            case "users" | "producers":
                operand = self.selector(depth + 1)
                self.expect(")", f"after the operand of {name}")
                return Neighbours(start, self.end(), name, operand)
            case "between":
                source = self.selector(depth + 1)
                self.expect(",", "and a second selector: between(a, b)")
                sink = self.selector(depth + 1)
                self.expect(")", "after the second operand of between")
                return Between(start, self.end(), source, sink)
            case _:
                return self.pattern(start)

    def ends(self, name: Literal["first", "last"], start: int, depth: int) -> Ends:
        at = self.position
        count = self.optional_integer()
        if count is None or count < 1:
            raise self.error(
                f"{name} takes how many, at least 1: {name}(2), {name}(2, type:conv)", at
            )
        operand = self.selector(depth + 1) if self.take(",") else None
        self.expect(")", f"after the operands of {name}")
        return Ends(start, self.end(), name, count, operand)

    def pattern(self, start: int) -> Pattern:
        opened = self.position
        steps = [self.step()]
        while self.take("->"):
            steps.append(self.step())
        if len(steps) > MAX_STEPS:
            raise self.error(f"a pattern has at most {MAX_STEPS} steps", opened, self.end())
        self.expect(")", "or -> and the next step")
        matches: Pick = EVERYTHING
        picked_steps: Pick = EVERYTHING
        if self.take("["):
            matches = self.pick()
            if self.take(","):
                at = self.position
                picked_steps = self.pick()
                if not picked(range(len(steps)), picked_steps):
                    raise self.error(
                        f"the pattern has {len(steps)} steps, none is there", at, self.end()
                    )
            self.expect("]", "to close the bracket")
        return Pattern(start, self.end(), tuple(steps), matches, picked_steps)

    def step(self) -> Step:
        """`conv`, `conv|matmul`, `(conv|matmul)` or `*`."""
        start = self.position
        if self.take("*"):
            return Step(start, self.end(), ())
        grouped = self.take("(")
        types = [self.type_name()]
        while self.take("|"):
            types.append(self.type_name())
        if grouped:
            self.expect(")", "to close the parenthesis")
        return Step(start, self.end(), tuple(types))

    def type_name(self) -> str:
        match = _TYPE.match(self.text, self.position)
        if match is None:
            raise self.error("an op type is expected here, such as conv, or *", self.position)
        self.position = match.end()
        self.space()
        return match[0]

    # --- characters -------------------------------------------------------------------------

    def space(self) -> None:
        while self.position < len(self.text) and self.text[self.position].isspace():
            self.position += 1

    def end(self) -> int:
        """Where the last thing that was read ends, the space behind it left out."""
        return len(self.text[: self.position].rstrip())

    def take(self, punctuation: str) -> bool:
        if not self.text.startswith(punctuation, self.position):
            return False
        self.position += len(punctuation)
        self.space()
        return True

    def take_keyword(self, keyword: str) -> bool:
        """A keyword is a whole word, and no prefix: `not:` is none."""
        match = _IDENTIFIER.match(self.text, self.position)
        if match is None or match[0] != keyword or self.text.startswith(":", match.end()):
            return False
        self.position = match.end()
        self.space()
        return True

    def expect(self, punctuation: str, why: str) -> None:
        if not self.take(punctuation):
            raise self.error(f"'{punctuation}' is expected here {why}", self.position)

    def word_end(self, start: int) -> int:
        return max(end_of_word(self.text, start), start + 1)

    def error_behind_selector(self) -> SelectorError:
        at = self.position
        if self.text[at] == ",":
            return self.error("a single selector is expected; combine several with 'or'", at)
        if self.text[at] == ")":
            return self.error("this parenthesis was not opened", at)
        return self.error(
            "'and', 'or' or the end is expected here; a name with white space goes in quotes",
            at,
            self.word_end(at),
        )

    def error(self, message: str, start: int, end: int | None = None) -> SelectorError:
        shown = self.text if len(self.text) <= 200 else self.text[:200] + "..."
        where = " (at its end)" if start >= len(self.text) else ""
        return SelectorError(
            f"selector '{shown}' is not understood{where}: {message}",
            self.text,
            start,
            start + 1 if end is None else end,
        )
