"""Text in the cells of CSV tables, such that no spreadsheet takes a file's name for a formula.

A cell that begins as a formula does gets an apostrophe before it, as OWASP advises ("CSV
Injection"), and so does one that begins with apostrophes and then so: what is read is, with
`exactly`, what was written.
"""

import re

# The last four are the wide forms of East Asia's keyboards.
_FORMULA = "=+\\-@\t\r\n＝＋－＠"
_BEGINS_SO = re.compile(f"'*[{_FORMULA}]")


def harmless(text: str) -> str:
    """Give a text as it is written in a cell.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
        With an apostrophe before it if a spreadsheet would take it for a formula.
    """
    return f"'{text}" if _BEGINS_SO.match(text) else text


def exactly(cell: str) -> str:
    """Give the text that `harmless` made a cell of.

    Parameters
    ----------
    cell : str

    Returns
    -------
    str
    """
    return cell[1:] if cell[:1] == "'" and _BEGINS_SO.match(cell) else cell
