"""Numbers are shown in one way, by one module."""

import ast
import re
from pathlib import Path

import pytest

from backbeat.files.text import (
    clock,
    duration,
    fixed,
    number,
    percent,
    points,
    probability,
    rough,
    signed,
    significant,
)

ROOT = Path(__file__).parents[1]
HERE = ROOT / "src" / "backbeat" / "files" / "text.py"


def test_numbers_have_thousands_separators_and_a_dash_for_none():
    assert [number(1_234_567), number(1_234.56, 1), number(0), number(None, 2)] == [
        *("1,234,567", "1,234.6", "0", "–"),
    ]
    assert [number(-1_234), number(-0.06, 2), number(-0.04, 1)] == ["−1,234", "−0.06", "0.0"]
    assert [fixed(1_234.5, 2), significant(0.00012345678), significant(12_345, 10)] == [
        *("1234.50", "0.000123457", "12345"),
    ]


def test_shares_and_their_differences():
    assert [percent(0.793), percent(0.5, 0), percent(1), percent(None)] == [
        *("79.3 %", "50 %", "100.0 %", "–"),
    ]
    assert [signed(1.25), signed(-1.25), signed(-0.04), signed(1_234, 0)] == [
        *("+1.2", "−1.2", "0.0", "+1,234"),
    ]
    assert points(-0.012) == "−1.2 points"


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0, "<1 %"), (0.009, "<1 %"), (0.01, "1 %"), (0.99, "99 %"), (0.995, ">99 %"), (1, ">99 %")],
)
def test_no_probability_is_shown_as_certain(share, shown):
    assert probability(share) == shown


def test_times():
    assert [duration(9.96), duration(90), duration(7_200)] == ["10.0 s", "1.50 min", "2.0 h"]
    assert [rough(0.4), rough(8.2), rough(150), rough(3_900)] == [
        "0 s",
        "8 s",
        "2 min",
        "1 h 5 min",
    ]
    assert [clock(s) for s in (0, 9.96, 59.96, 61.25, 3_600)] == [
        *("0:00", "0:10", "1:00", "1:01.2", "60:00"),
    ]


def made_by_hand(tree):
    """Find where numbers are formatted; padding of names, such as ``{number:05d}``, is not."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            for value, after in zip(node.values, [*node.values[1:], None], strict=True):
                if not isinstance(value, ast.FormattedValue):
                    continue
                spec = ast.unparse(value.format_spec)[2:-1] if value.format_spec else ""
                spec = re.sub(r"\{[^}]*\}", "0", spec)
                if re.search(r"[.,%_]|[eEfFgGn]$", spec):
                    yield node.lineno
                share = isinstance(after, ast.Constant) and re.match(" ?%", after.value)
                if share and not is_shown_by_text(value.value):
                    yield node.lineno
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if re.search(r"\{\w*:[^{}\s]*[.,%][^{}\s]*\}|%\.\d[efg]", node.value):
                yield node.lineno
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "format":
            yield node.lineno


def is_shown_by_text(value):
    return re.search(r"\b(number|signed|significant|replace)\(", ast.unparse(value))


def test_no_number_is_formatted_by_hand():
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for folder in ("src", "benchmarks", "tools")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if path != HERE
        for line in sorted(set(made_by_hand(ast.parse(path.read_text("utf-8")))))
    ]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        *('f"{x:.1f}"', 'f"{x:,}"', 'f"{x:.0%}"', 'f"{x:>{n},}"', 'f"{round(x)} %"', 'f"{x}%"'),
        *('"{:.0%}".format', 'format(x, ".2f")', '"%.1f" % x', 'f"{x:g}"'),
    ],
)
def test_what_is_formatted_by_hand_is_found(source):
    assert list(made_by_hand(ast.parse(source)))


def test_padding_is_no_format_of_a_number():
    for source in ('f"{x:>12}"', 'f"{x:<{n}}"', 'f"{x:05d}"', 'f"{x:02x}"', 'f"{number(x)} %"'):
        assert not list(made_by_hand(ast.parse(source)))
