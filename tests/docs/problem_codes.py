"""Finds the code of every Problem that the source can make, by reading the source.

A code is a literal, or comes from one by a few plain ways: an argument of a helper, a choice, a
table, a loop over a table, a part of a tuple that is unpacked. What comes from an enum or a CA is
an f-string, and EXPANSIONS says which codes it stands for. Anything else is an error here, so that
no code is overlooked.
"""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterator
from pathlib import Path

from certificates.policy import acme_document, acme_kinds, acme_meanings
from certificates.policy.health import Part
from challenges.preflight.classify import Kind as Stranger
from challenges.preflight.directory_outcomes import Outcome

CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGES = ("certificates", "challenges", "gateway_admin")

# The f-strings, a star for each part that is filled in, and what they stand for.
EXPANSIONS: dict[str, frozenset[str]] = {
    "acme-*": frozenset(
        f"acme-{slug}"
        for slug in (
            *(acme_document.kebab(kind) for kind in acme_meanings.MEANINGS),
            *(kind.value for kind in acme_kinds.Kind),
            "unknown",
        )
    ),
    "directory-*": frozenset(
        f"directory-{outcome.value}" for outcome in Outcome if outcome is not Outcome.FOUND
    ),
    "public-port-*": frozenset(
        f"public-port-{stranger.value}" for stranger in Stranger if stranger is not Stranger.OURS
    ),
    "*-down": frozenset(f"{part.value.replace('_', '-')}-down" for part in Part),
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


class UnknownCodeError(Exception):
    """A Problem whose code cannot be read from the source; says where."""


@dataclasses.dataclass(frozen=True)
class Module:
    """One file's syntax tree, and which function each node stands in."""

    path: Path
    tree: ast.Module
    around: dict[ast.AST, Function]


def all_codes() -> frozenset[str]:
    """Every code in the product's packages. Raises UnknownCodeError."""
    return frozenset(
        code
        for package in PACKAGES
        for path in sorted((CHECKOUT / package).rglob("*.py"))
        if "migrations" not in path.parts
        for code in codes_in(path.read_text(), path)
    )


def codes_in(source: str, path: Path = CHECKOUT) -> frozenset[str]:
    """The codes of the Problems in one file. Raises UnknownCodeError."""
    module = _parse(source, path)
    return frozenset(
        code
        for call in _calls(module.tree, "Problem")
        for code in _values(_argument(call, "code", 0), call, module)
    )


def _parse(source: str, path: Path) -> Module:
    tree = ast.parse(source)
    around: dict[ast.AST, Function] = {}
    # Outer functions come first, so that the innermost one has the last word.
    for function in ast.walk(tree):
        if isinstance(function, Function):
            around |= {node: function for node in ast.walk(function) if node is not function}
    return Module(path, tree, around)


def _calls(tree: ast.AST, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called)) if called == name:
                yield node


def _argument(call: ast.Call, name: str, position: int) -> ast.expr | None:
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    return call.args[position] if position < len(call.args) else None


def _values(node: ast.expr | None, place: ast.AST, module: Module) -> frozenset[str]:
    """The texts that an expression can have at its place."""
    match node:
        case ast.Constant(value=str(text)):
            return frozenset({text})
        case ast.IfExp(body=one, orelse=other):
            return _values(one, place, module) | _values(other, place, module)
        case ast.JoinedStr(values=parts):
            return _expanded(parts, place, module)
        case ast.Call(func=ast.Attribute(value=ast.Dict(values=known), attr="get"), args=asked):
            return frozenset().union(
                *(_values(value, place, module) for value in (*known, *asked[1:]))
            )
        case ast.Call(func=ast.Attribute(value=ast.Name(id=table), attr="get"), args=asked):
            return frozenset().union(
                *(_values(value, place, module) for value in (*_table(table, module), *asked[1:]))
            )
        case ast.Name(id=name) if place in module.around:
            return _values_of_name(name, module.around[place], module)
    raise _unknown(place, module)


def _table(name: str, module: Module) -> list[ast.expr]:
    """The values of a dict that the module itself holds under this name."""
    for node in module.tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=target)], value=ast.Dict(values=known)):
                if target == name:
                    return known
    raise _unknown(module.tree, module)


def _expanded(parts: list[ast.expr], place: ast.AST, module: Module) -> frozenset[str]:
    skeleton = "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in parts)
    if skeleton not in EXPANSIONS:
        raise _unknown(place, module)
    return EXPANSIONS[skeleton]


def _values_of_name(name: str, function: Function, module: Module) -> frozenset[str]:
    """What a name stands for in a function: a parameter, a local variable or a loop's."""
    parameters = [argument.arg for argument in function.args.args]
    found: list[tuple[ast.expr | None, ast.AST]]
    if name in parameters:
        position = parameters.index(name) - (1 if parameters[0] in {"self", "cls"} else 0)
        found = [
            (_argument(call, name, position), call) for call in _calls(module.tree, function.name)
        ]
    else:
        found = list(_bound(name, function, module))
    if not found:
        raise _unknown(function, module)
    return frozenset().union(*(_values(node, place, module) for node, place in found))


def _bound(name: str, function: Function, module: Module) -> Iterator[tuple[ast.expr, ast.AST]]:
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name:
                yield value, node
            case ast.Assign(targets=[ast.Tuple(elts=parts)], value=value):
                targets = [part.id for part in parts if isinstance(part, ast.Name)]
                if name in targets:
                    for unpacked in _tuples(value, len(parts), module):
                        yield unpacked.elts[targets.index(name)], node
            case ast.For(target=ast.Tuple(elts=names), iter=ast.Tuple(elts=rows)):
                targets = [part.id for part in names if isinstance(part, ast.Name)]
                if name in targets:
                    for row in rows:
                        if isinstance(row, ast.Tuple):
                            yield row.elts[targets.index(name)], node


def _tuples(value: ast.expr, length: int, module: Module) -> Iterator[ast.Tuple]:
    """The tuples that are unpacked; of a call all of this length that the module returns."""
    match value:
        case ast.Tuple():
            yield value
        case ast.IfExp(body=one, orelse=other):
            yield from (*_tuples(one, length, module), *_tuples(other, length, module))
        case ast.Call():
            for node in ast.walk(module.tree):
                match node:
                    case ast.Return(value=ast.Tuple(elts=parts) as row) if len(parts) == length:
                        yield row


def _unknown(place: ast.AST, module: Module) -> UnknownCodeError:
    line = getattr(place, "lineno", 0)
    return UnknownCodeError(f"{module.path}:{line}: which code has the Problem made here?")
