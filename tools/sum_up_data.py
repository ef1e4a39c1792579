"""Write the checksums of the data files that come with backbeat, after one of them was changed.

python tools/sum_up_data.py
"""

from backbeat.files.checksums import write_sums
from backbeat.files.shipped import DATA, ROOT

if __name__ == "__main__":
    write_sums(
        ROOT, (path.relative_to(ROOT).as_posix() for data in DATA for path in ROOT.glob(data))
    )
