"""Run a verb of backbeat in this process, and print the most memory of it and of its children.

    python benchmarks/peak.py classify long.mp3

The last line holds the peak of this process and that of its largest child, in MB.
"""

import resource
import sys

from backbeat.cli import main

if __name__ == "__main__":  # workers load this file too
    sys.argv[0] = "backbeat"
    try:
        main()
    except SystemExit as ended:
        if ended.code:
            raise
    finally:
        peaks = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        print(*(resource.getrusage(whose).ru_maxrss / 1000 for whose in peaks))
