"""Data flows one way: a package imports only from those above it in the map of CONTRIBUTING.md."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "backbeat"
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}
BESIDE = {"__init__.py", "__main__.py", "api.py", "errors.py"}


def layers() -> list[str]:
    """Give the names of the map, from top to bottom."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    map_of_packages = text.partition("## The map")[2].partition("\n## ")[0]
    return re.findall(r"^\| `(\w+)/?` \|", map_of_packages, flags=re.MULTILINE)


def imports(module: str) -> set[str]:
    """Give the modules of this package that one imports, for its types alone too."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in inner}
    return found & MODULES.keys() - {"backbeat"}


def test_the_map_holds_every_package_once() -> None:
    packages = {path.parent.name for path in PACKAGE.glob("*/*.py")}
    assert {path.name for path in PACKAGE.glob("*.py")} == BESIDE
    assert len(packages) <= 20
    assert sorted(layers()) == sorted([*packages, "api", "errors"])


def test_a_package_imports_only_from_those_above_it() -> None:
    order = {name: place for place, name in enumerate([*layers(), "__main__"])}
    upward = [
        f"{module} imports {other}"
        for module in MODULES.keys() - {"backbeat"}
        for other in sorted(imports(module))
        if order[module.split(".")[1]] < order[other.split(".")[1]]
    ]
    assert upward == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    left = {name: imports(name) - {name} for name in MODULES}  # `-m` has one import itself
    while leaves := {name for name, others in left.items() if not others & left.keys()}:
        left = {name: others for name, others in left.items() if name not in leaves}
    assert sorted(left) == []
