"""The pinned versions lie in the ranges of pyproject.toml, and the lowest are where they begin."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]


def requirements(*, without: str = "") -> list[Requirement]:
    """Give all direct requirements, of the base and of the extras but one."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    lines = project["dependencies"] + [
        line for extra, lines in extras.items() if extra != without for line in lines
    ]
    return [found for found in map(Requirement, lines) if found.name != project["name"]]


def pins(name: str) -> dict[str, Version]:
    """Give the exact versions that a file of constraints holds, by package."""
    lines = (ROOT / name).read_text("utf-8").splitlines()
    exact = [line.split(";")[0].split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(package): Version(version.strip()) for package, version in exact}


@pytest.mark.parametrize("requirement", requirements(), ids=str)
def test_what_make_installs_is_pinned_and_in_its_range(requirement: Requirement) -> None:
    pinned = pins("constraints.txt")[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(pinned)


@pytest.mark.parametrize("requirement", requirements(without="docs"), ids=str)
def test_the_lowest_version_tested_is_the_lowest_that_is_allowed(requirement: Requirement) -> None:
    pinned = pins("constraints-lowest.txt")[canonicalize_name(requirement.name)]
    lowest = [Version(part.version) for part in requirement.specifier if part.operator == ">="]
    assert lowest == [pinned]


def test_what_is_cited_is_this_version() -> None:
    import yaml

    from backbeat import __version__

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == __version__
