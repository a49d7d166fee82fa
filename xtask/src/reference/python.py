"""Writes the docstrings of the package, in the order of its ``__all__``, as Markdown. Parses, and imports nothing."""

from __future__ import annotations

import ast
import builtins
import re
import sys
from pathlib import Path
from typing import Dict, Iterator, List, Tuple, Union

#: What the package exports.
NAMES: List[str] = []


def markdown(text: str) -> str:
    """What a docstring says, without the marks of reStructuredText."""
    text = re.sub(r":\w+:`~?([^`<]+?)(?: <[^>]*>)?`", r"`\1`", text).replace("``", "`")
    text = re.sub(r"^( *)\.\. code-block:: (\w+)\n\n((?:\1    .*\n|\n)+)", fenced, text + "\n", flags=re.MULTILINE)
    out: List[str] = []
    for line in text.splitlines():
        field = re.match(r":(param|raises) ([^:]+): ?(.*)", line)
        if field:
            kind, name, rest = field.groups()
            out += [""] if out and out[-1] and not out[-1].startswith(("- ", "  ")) else []
            line = f"- `{name}`: {rest}" if kind == "param" else f"- raises `{name}`: {rest}"
        out.append(line)
    parts = "\n".join(out).strip().split("`")
    return "`".join(part if place % 2 else part.replace("<", "&lt;") for place, part in enumerate(parts))


def fenced(found: "re.Match[str]") -> str:
    code = "\n".join(line[4:] for line in found.group(3).strip("\n").splitlines())
    return f"```{found.group(2)}\n{code}\n```\n\n"


def signature(function: Union[ast.FunctionDef, ast.AsyncFunctionDef]) -> str:
    word = "async def" if isinstance(function, ast.AsyncFunctionDef) else "def"
    returned = f" -> {ast.unparse(function.returns)}" if function.returns else ""
    return f"{word} {function.name}({ast.unparse(function.args)}){returned}".replace("replies.", "")


def fields(body: ast.ClassDef, lines: List[str]) -> Iterator[str]:
    """Public fields with the comments that begin ``#:`` above them."""
    for node in body.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id[0] != "_":
            said: List[str] = []
            above = node.lineno - 2
            while lines[above].strip().startswith("#:"):
                said.insert(0, lines[above].strip()[2:].strip())
                above -= 1
            text = ": " + markdown(" ".join(said)) if said else ""
            yield f"- `{node.target.id}` (`{ast.unparse(node.annotation)}`){text}"
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id.isupper():
            yield f"- `{node.targets[0].id}` = {ast.unparse(node.value)}"


def methods(body: ast.ClassDef, classes: Dict[str, Tuple[ast.ClassDef, List[str]]]) -> Iterator[ast.FunctionDef]:
    """Public methods, those of bases in the package after its own."""
    seen = set()
    bases = [base.id for base in body.bases if isinstance(base, ast.Name)]
    # A base that is exported has a place of its own.
    for owner in [body, *(classes[base][0] for base in bases if base == "Operators")]:
        for node in owner.body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name not in seen:
                seen.add(node.name)
                if node.name == "__init__" and owner is body or node.name[0] != "_":
                    yield node  # type: ignore[misc]


def described(node: ast.ClassDef, lines: List[str], classes: Dict[str, Tuple[ast.ClassDef, List[str]]]) -> str:
    # A base that is not exported tells nobody anything.
    bases = ", ".join(ast.unparse(base) for base in node.bases if ast.unparse(base) in {*NAMES, *dir(builtins)})
    head = f"class {node.name}({bases})" if bases else f"class {node.name}"
    text = f"\n## {node.name}\n\n```python\n{head}\n```\n\n{markdown(ast.get_docstring(node) or '')}\n\n"
    text += "".join(f"{line}\n" for line in fields(node, lines))
    for method in methods(node, classes):
        is_property = any(ast.unparse(mark) == "property" for mark in method.decorator_list)
        name = node.name if method.name == "__init__" else f"{node.name}.{method.name}"
        mark = "@property\n" if is_property else ""
        text += f"\n### {name}\n\n```python\n{mark}{signature(method)}\n```\n\n"
        text += markdown(ast.get_docstring(method) or "") + "\n"
    return text


def main(folder: Path) -> None:
    package = ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))
    classes: Dict[str, Tuple[ast.ClassDef, List[str]]] = {}
    aliases: Dict[str, str] = {}
    for path in sorted(folder.glob("_[a-z]*.py")):
        text = path.read_text(encoding="utf-8")
        for node in ast.parse(text).body:
            if isinstance(node, ast.ClassDef):
                classes.setdefault(node.name, (node, text.splitlines()))
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                aliases[node.targets[0].id] = ast.unparse(node.value)
    for node in package.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            NAMES.extend(ast.literal_eval(item) for item in node.value.elts)  # type: ignore[attr-defined]
    print(f"# Python: `libotp`\n\n{markdown(ast.get_docstring(package) or '')}")
    for name in sorted(NAMES, key=lambda name: (name != "Service", name != "AsyncService", name)):
        if name in classes:
            print(described(*classes[name], classes))
        elif name in aliases:
            print(f"\n## {name}\n\n```python\n{name} = {aliases[name]}\n```\n")
        elif name[0] != "_":
            raise SystemExit(f"{name} is exported, and nobody knows where it is")


main(Path(sys.argv[1]))
