"""Ctrl-C and SIGTERM: the first has what is half done cleared away, the second ends at once."""

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any, NoReturn

_SECONDS_TO_TRY_AGAIN = 0.05


@contextlib.contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Have SIGTERM end the block as Ctrl-C does.

    Python ignores what is raised in some places, such as callbacks of its memory's management; a
    signal that comes just then is raised again a moment later.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C.
    SystemExit
        On SIGTERM, with the status 143.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    # One that is ignored stays so, as in a shell's background.
    before = {number: how for number, how in ours.items() if signal.getsignal(number) == how}
    ignoring = sys.unraisablehook
    raised: list[BaseException] = []
    to_raise_again: list[BaseException] = []

    def stop(number: int, _frame: FrameType | None) -> NoReturn:
        for each in before:
            signal.signal(each, signal.SIG_DFL)
        is_interrupt = number == signal.SIGINT
        raised.append(KeyboardInterrupt() if is_interrupt else SystemExit(128 + number))
        raise raised[-1]

    def try_again(_number: int = 0, _frame: FrameType | None = None) -> NoReturn:
        to_raise_again.clear()
        raise raised[-1]

    def ignored(what: Any) -> None:
        if not any(what.exc_value is error for error in raised):
            ignoring(what)
            return
        to_raise_again[:] = raised[-1:]
        if hasattr(signal, "setitimer"):  # not on Windows
            signal.signal(signal.SIGALRM, try_again)
            signal.setitimer(signal.ITIMER_REAL, _SECONDS_TO_TRY_AGAIN)

    for number in before:
        signal.signal(number, stop)
    sys.unraisablehook = ignored
    try:
        yield
        if to_raise_again:  # the block ended before that
            try_again()
    except Exception:
        if raised:  # such as an import that a library then reports as its own failure
            raise raised[-1] from None
        raise
    finally:
        if raised and hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)  # left running, it ends a Python that is ending
        sys.unraisablehook = ignoring
        for number, how in before.items():
            signal.signal(number, how)
