"""How numbers are shown, all of them: counts, shares, differences, times; and written to files."""


def number(value: float | None, digits: int = 0) -> str:
    """Give a number with so many decimals, such as ``1,234.5`` and ``−2``; a dash for None."""
    if value is None:
        return "–"
    text = f"{abs(value):,.{digits}f}"
    # What rounds to zero has no sign.
    return f"−{text}" if value < 0 and text.strip("0.") else text


def plural(count: int, noun: str) -> str:
    """Give a count of things, such as ``1 song`` and ``1,000 songs``."""
    return f"{number(count)} {noun}{'' if count == 1 else 's'}"


def percent(share: float | None, digits: int = 1) -> str:
    """Give a share in percent, such as ``80.6 %``; a dash for None."""
    return "–" if share is None else f"{100 * share:.{digits}f} %"


def probability(share: float) -> str:
    """Give a probability in whole percent; ``>99 %`` or ``<1 %`` where it would seem certain."""
    if share < 0.01:
        return "<1 %"
    return ">99 %" if share > 0.99 else percent(share, 0)


def signed(value: float, digits: int = 1) -> str:
    """Give a number with its sign, a true minus, and none where it rounds to zero."""
    text = number(value, digits)
    return f"+{text}" if value > 0 and text.strip("0.") else text


def points(difference: float) -> str:
    """Give a difference of shares in percentage points, such as ``+1.2 points``."""
    return f"{signed(100 * difference)} points"


def significant(value: float, digits: int = 6) -> str:
    """Give a number with so many significant digits and no thousands separators, as in a file."""
    return f"{value:.{digits}g}"


def fixed(value: float, digits: int) -> str:
    """Give a number with so many decimals and no thousands separators, as in a file."""
    return f"{value:.{digits}f}"


def p_value(p: float) -> str:
    """Give the p of a test, such as ``p = 0.031``."""
    return "p < 0.001" if p < 0.001 else f"p = {number(p, 3)}"


def duration(seconds: float) -> str:
    """Give a time in seconds as such, in minutes or in hours, whichever reads best."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.2f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def rough(seconds: float) -> str:
    """Give a time in whole seconds, minutes or hours, such as ``8 s`` and ``1 h 5 min``."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60:,} h {minutes % 60} min"


def clock(seconds: float) -> str:
    """Give a time in seconds as minutes:seconds, such as ``1:05``; with a tenth if not whole."""
    minutes, tenths = divmod(round(10 * seconds), 600)
    return f"{minutes}:{tenths // 10:02}" + (f".{tenths % 10}" if tenths % 10 else "")
