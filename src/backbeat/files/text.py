"""How numbers are shown: shares, differences and times."""


def number(value: float | None, digits: int) -> str:
    """Give a number with so many decimals; a dash for None."""
    return "–" if value is None else f"{value:.{digits}f}"


def percent(share: float | None, digits: int = 1) -> str:
    """Give a share in percent, such as ``80.6 %``; a dash for None."""
    return "–" if share is None else f"{100 * share:.{digits}f} %"


def signed(value: float, digits: int = 1) -> str:
    """Give a number with its sign, a true minus, and none where it rounds to zero."""
    text = f"{abs(value):.{digits}f}"
    if not float(text):
        return text
    return ("+" if value > 0 else "−") + text


def points(difference: float) -> str:
    """Give a difference of shares in percentage points, such as ``+1.2 points``."""
    return f"{signed(100 * difference)} points"


def duration(seconds: float) -> str:
    """Give a time in seconds as such, in minutes or in hours, whichever reads best."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.2f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def clock(seconds: float) -> str:
    """Give a time in seconds as minutes:seconds, such as ``1:05``."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02}"
