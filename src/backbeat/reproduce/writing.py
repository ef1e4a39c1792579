"""Writing a reproduction's results: tables, findings, figures and the page."""

import json
from dataclasses import asdict
from pathlib import Path

from backbeat.files import atomic
from backbeat.reproduce.drawing import draw
from backbeat.reproduce.findings import all_findings
from backbeat.reproduce.page import reproduction_report
from backbeat.reproduce.results import Results, read_results
from backbeat.reproduce.tables import make_tables
from backbeat.reproduce.tabulating import to_csv, to_markdown


def write(folder: Path, *, songs: Path | None = None) -> tuple[Path, ...]:
    """Read the runs in ``folder/runs``, some of which may be missing, and write the results.

    Beside ``runs`` these are ``report.html``, ``tables.md``, ``tables.csv``, ``findings.json`` and
    ``figures/*.png``, each written atomically. `songs` is a folder of GTZAN's songs, for Figures 1
    to 3.
    """
    results = read_results(folder)
    tables, findings = make_tables(results), all_findings(results)
    pictures = draw(results, songs=songs)
    written = {
        folder / "report.html": reproduction_report(results, tables, findings, pictures),
        folder / "tables.md": to_markdown(tables, note=_note(results)),
        folder / "tables.csv": to_csv(tables),
        folder / "findings.json": json.dumps(
            [asdict(finding) for finding in findings], indent=1, ensure_ascii=False
        )
        + "\n",
    }
    paths = []
    for picture in pictures:
        paths.append(folder / "figures" / f"{picture.name}.png")
        atomic.write_bytes(paths[-1], picture.png)
    for path, text in written.items():
        atomic.write_text(path, text)
    return (*written, *paths)


def _note(results: Results) -> str:
    ours = f"Ours: split {results.protocol}, hash {results.split_hash}"
    return f"{ours}. **{results.leak}** The paper's are of random slices, which leak."
