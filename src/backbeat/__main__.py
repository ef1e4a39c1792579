"""The command ``backbeat``, and ``python -m backbeat``."""

import gc
import signal
import sys

_OBJECTS_BEFORE_A_COLLECTION = 20_000
"""What is loaded makes many objects and no garbage: Python looks through them every 700."""


def main() -> None:
    """Run the command line; Ctrl-C gets no traceback while it loads or ends, either."""
    gc.set_threshold(_OBJECTS_BEFORE_A_COLLECTION)
    try:
        from backbeat.cli import main as run

        run()
    except KeyboardInterrupt:
        print("backbeat: stopped", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
    finally:
        gc.freeze()  # nor need it look through them all before it ends: a tenth of a second
        for number in (signal.SIGINT, signal.SIGTERM):
            if callable(signal.getsignal(number)):
                signal.signal(number, signal.SIG_DFL)


if __name__ == "__main__":
    main()
