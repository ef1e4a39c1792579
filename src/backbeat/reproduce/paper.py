"""The paper as data: its tables as printed, what its figures show, and its own claims.

Where text and tables disagree the table counts, and a comment says so. Accuracies, recalls and
variances are in percent, as printed; times are minutes. All of them are of random slices: slices of
one song were on both sides, so they are too high for songs outside the training set.

References
----------
.. [1] J. Sears, "I know it's only rock 'n' roll (but does TensorFlow?)", 2021.
.. [2] M.-H. Saint-Félix, "Music genre detection with deep learning", Towards Data Science, 2020.
"""

from dataclasses import dataclass, replace

TITLE = "I Know It's Only Rock 'N' Roll (But Does TensorFlow?)"
AUTHOR = "James Sears, 2021"


@dataclass(frozen=True)
class PaperRow:
    """A model in a table, as printed: a row of Tables 1, 2, 4, 5 or 6, a column of 3 or 7."""

    model: str
    described: tuple[str, ...]  # the cells between the model's name and its epochs
    epochs: int
    minutes: float
    accuracy: float
    # Of Tables 3 and 7
    variance: float | None = None
    recalls: tuple[float, ...] = ()  # in the order of `GTZAN_GENRES`


@dataclass(frozen=True)
class PaperTable:
    """A table."""

    number: int
    title: str
    columns: tuple[str, ...]  # heads of the describing columns (`PaperRow.described`)
    rows: tuple[PaperRow, ...]  # in the paper's order
    samples: tuple[int, ...] = ()  # of Tables 3 and 7: test slices of each of `GTZAN_GENRES`


_MLP_COLUMNS = ("Hidden layers", "Nodes per layer", "Activation function")
_CNN_COLUMNS = ("Hidden layers", "Convolution sequences", "Dense layer nodes")
_RECALL_COLUMNS = ("Activation function", "Optimization function")

# A line a model: its name, the describing columns, epochs, processing time, accuracy; of Tables 3
# and 7 also the variance, and the recalls by genre.
_TABLE_1 = """
mlp_base | 5 | 512, 512, 256, 128, 64 | ReLU | 50 | 2.50 | 56.86
mlp_01 | 1 | 512 | ReLU | 50 | 2.73 | 44.28
mlp_02 | 1 | 512 | Sigmoid | 50 | 2.82 | 47.05
mlp_04 | 1 | 512 | Sigmoid | 60 | 3.31 | 48.55
mlp_03 | 1 | 512 | Sigmoid | 100 | 5.50 | 46.81
mlp_05 | 2 | 512, 256 | Sigmoid | 60 | 3.78 | 53.39
mlp_06 | 3 | 512, 256, 128 | Sigmoid | 60 | 3.78 | 52.35
mlp_07 | 3 | 512, 256, 128 | Sigmoid | 80 | 4.63 | 53.92
mlp_12 | 3 | 512, 256, 128 | Sigmoid | 100 | 6.22 | 55.96
mlp_12.1 | 3 | 512, 256, 128 | Sigmoid | 200 | 15.82 | 62.70
mlp_11 | 4 | 512, 512, 256, 128 | Sigmoid | 80 | 7.39 | 49.15
mlp_08 | 4 | 512, 256, 128, 64 | Sigmoid | 50 | 3.07 | 48.11
mlp_09 | 4 | 512, 256, 128, 64 | Sigmoid | 80 | 4.99 | 48.21
mlp_09.1 | 4 | 512, 256, 128, 64 | Sigmoid | 200 | 12.75 | 59.43
mlp_10 | 5 | 512, 512, 256, 128, 64 | Sigmoid | 50 | 4.35 | 44.44
"""

# The text gives mlp_27 70.74 % (once 70.7, once 71) and 11.52 minutes; the table prints 70.77 and
# 13.77, and so does Table 3.
_TABLE_2 = """
mlp_base | 5 | 512, 512, 256, 128, 64 | ReLU | 50 | 2.50 | 56.86
mlp_13 | 1 | 512 | ReLU | 50 | 1.48 | 46.95
mlp_15 | 1 | 512 | ReLU | 100 | 2.97 | 44.58
mlp_14 | 1 | 512 | Sigmoid | 50 | 1.55 | 42.48
mlp_16 | 2 | 512, 256 | ReLU | 50 | 1.80 | 58.63
mlp_17 | 2 | 512, 256 | ReLU | 100 | 3.44 | 56.82
mlp_18 | 3 | 512, 256, 128 | ReLU | 50 | 1.87 | 61.29
mlp_19 | 3 | 512, 256, 128 | ReLU | 100 | 3.97 | 62.43
mlp_20 | 4 | 512, 256, 128, 64 | ReLU | 50 | 1.91 | 59.66
mlp_21 | 4 | 512, 256, 128, 64 | ReLU | 100 | 3.79 | 62.36
mlp_22 | 5 | 512, 512, 256, 128, 64 | ReLU | 50 | 2.80 | 66.37
mlp_23 | 5 | 512, 512, 256, 128, 64 | ReLU | 90 | 5.15 | 65.70
mlp_24 | 6 | 512, 512, 256, 256, 128, 64 | ReLU | 50 | 2.93 | 65.83
mlp_25 | 6 | 512, 512, 256, 256, 128, 64 | ReLU | 100 | 6.16 | 68.30
mlp_27 | 6 | 512, 512, 256, 256, 128, 64 | ReLU | 200 | 13.77 | 70.77
mlp_26 | 7 | 512, 512, 256, 256, 128, 128, 64 | ReLU | 100 | 5.87 | 67.37
"""

_SEQUENCES = {
    "BASE": "2x (3x3 kernel, pooling, normalization), "
    "1x (2x2 kernel, pooling, normalization, dropout 30 %)",
    "C": "1x (3x3 kernel)",
    "CP": "1x (3x3 kernel, pooling)",
    "ONE": "1x (3x3 kernel, pooling, normalization, dropout 30 %)",
    "TWO": "2x (3x3 kernel, pooling, normalization, dropout 30 %)",
    "THREE": "2x (3x3 kernel, pooling, normalization, dropout 30 %), "
    "1x (2x2 kernel, pooling, normalization, dropout 30 %)",
    "FALLING": "2x (3x3 kernel, pooling, normalization, dropout 40 %, 30 %), "
    "1x (2x2 kernel, pooling, normalization, dropout 20 %)",
}
"""The printed cells of convolution sequences, which many rows share."""

_CNN_BASES = """
cnn_base_01 | 11 | BASE | 64 | 30 | 6.24 | 77.54
cnn_base_02 | 11 | BASE | 64 | 50 | 10.77 | 79.78
"""

# cnn_01.7 has the columns of cnn_01.5 and 01.6, yet 15 hidden layers for their 14.
_TABLE_4 = """
cnn_01.0 | 1 | C | NA | 50 | 7.72 | 54.52
cnn_01.1 | 2 | CP | NA | 50 | 8.67 | 57.16
cnn_01.2 | 5 | ONE | 64 | 30 | 6.88 | 62.60
cnn_01.3 | 9 | TWO | 64 | 30 | 8.50 | 65.60
cnn_01.4 | 13 | THREE | 64 | 30 | 8.90 | 67.97
cnn_01.5 | 14 | THREE | 128, 64 | 30 | 8.07 | 70.67
cnn_01.6 | 14 | THREE | 128, 64 | 50 | 15.64 | 71.04
cnn_01.7 | 15 | THREE | 128, 64 | 40 | 11.80 | 72.01
"""

# The text calls the first cnn_02.0; says that cnn_02.4 has more "nodes" (the table: epochs) and
# cnn_02.8 fewer epochs (the table: more); and that cnn_02.5 "further improved" to the 69.67 % that
# cnn_02.3 has already.
_TABLE_5 = """
cnn_02 | 1 | C | NA | 50 | 7.29 | 54.42
cnn_02.1 | 2 | CP | NA | 30 | 3.83 | 60.53
cnn_02.2 | 5 | ONE | 64 | 30 | 6.10 | 62.50
cnn_02.3 | 9 | TWO | 64 | 30 | 5.80 | 69.67
cnn_02.4 | 9 | TWO | 64 | 50 | 15.41 | 67.97
cnn_02.5 | 13 | THREE | 64 | 30 | 8.12 | 69.67
cnn_02.6 | 13 | THREE | 64 | 50 | 7.88 | 70.70
cnn_02.7 | 14 | THREE | 128, 64 | 30 | 8.10 | 73.71
cnn_02.8 | 14 | THREE | 128, 64 | 50 | 13.65 | 72.77
cnn_02.9 | 14 | FALLING | 128, 64 | 30 | 8.05 | 73.24
"""

# The text gives cnn_03.3 65.60 %, which is cnn_01.3's; and derives cnn_03.5 from "cnn_02.4".
_TABLE_6 = """
cnn_03.0 | 1 | C | NA | 50 | 5.91 | 50.85
cnn_03.1 | 2 | CP | NA | 50 | 7.98 | 50.28
cnn_03.2 | 5 | ONE | 64 | 50 | 12.77 | 63.40
cnn_03.3 | 9 | TWO | 64 | 30 | 9.75 | 74.67
cnn_03.4 | 13 | THREE | 64 | 30 | 6.67 | 76.81
cnn_03.5 | 13 | FALLING | 64 | 30 | 5.93 | 77.54
cnn_03.6 | 14 | FALLING | 128, 64 | 50 | 10.26 | 77.68
cnn_03.7 | 14 | FALLING | 128, 64 | 80 | 17.67 | 79.65
cnn_03.8 | 14 | FALLING | 128, 64 | 100 | 25.69 | 80.61
"""


def _table(
    number: int, title: str, columns: tuple[str, ...], text: str, samples: tuple[int, ...] = ()
) -> PaperTable:
    rows = []
    for line in text.strip().splitlines():
        model, *cells = (cell.strip() for cell in line.split("|"))
        described = tuple(_SEQUENCES.get(cell, cell) for cell in cells[: len(columns)])
        epochs, minutes, accuracy, *more = cells[len(columns) :]
        row = PaperRow(model, described, int(epochs), float(minutes), float(accuracy))
        if more:
            recalls = tuple(map(float, more[1].split()))
            row = replace(row, variance=float(more[0]), recalls=recalls)
        rows.append(row)
    return PaperTable(number, title, columns, tuple(rows), samples)


_BASE_NOTE = "Base models use ReLU activation functions and the RMSProp optimization function."
_CONSTANT = "Batch Size of 32 and 0.001 Learning Rate."

TABLES: tuple[PaperTable, ...] = (
    _table(
        1,
        f"Summary of MLP models with Dense hidden layers, RMSProp optimization function, "
        f"{_CONSTANT}",
        _MLP_COLUMNS,
        _TABLE_1,
    ),
    _table(
        2,
        f"Summary of MLP models with Dense hidden layers, Adam optimization function, {_CONSTANT} "
        "Base model uses the RMSProp optimization function instead of Adam.",
        _MLP_COLUMNS,
        _TABLE_2,
    ),
    _table(
        4,
        "Summary of CNN models with Sigmoid activation functions, the RMSProp optimization "
        f"function, {_CONSTANT} {_BASE_NOTE}",
        _CNN_COLUMNS,
        _CNN_BASES + _TABLE_4.lstrip(),
    ),
    _table(
        5,
        "Summary of CNN models with Sigmoid activation functions, the Adam optimization function, "
        f"{_CONSTANT} {_BASE_NOTE}",
        _CNN_COLUMNS,
        _CNN_BASES + _TABLE_5.lstrip(),
    ),
    _table(
        6,
        "Summary of CNN models with ReLU activation functions, the Adam optimization function, "
        f"{_CONSTANT} {_BASE_NOTE}",
        _CNN_COLUMNS,
        _CNN_BASES + _TABLE_6.lstrip(),
    ),
)

_TABLE_3 = """
mlp_12.1 | Sigmoid | RMSProp | 200 | 15.82 | 63 | 2.5 | 59 90 57 50 46 76 80 79 53 42
mlp_27 | ReLU | Adam | 200 | 13.77 | 71 | 1.5 | 79 90 64 58 57 79 88 76 56 64
mlp_base | ReLU | RMSProp | 50 | 2.50 | 57 | 4.4 | 71 86 21 41 58 57 87 73 49 33
"""

# The text gives cnn_01.7's metal 90 %.
_TABLE_7 = """
cnn_01.7 | Sigmoid | RMSProp | 40 | 11.80 | 72 | 2.7 | 51 100 57 79 51 79 88 83 54 77
cnn_02.7 | Sigmoid | Adam | 30 | 8.10 | 74 | 1.3 | 67 97 62 69 65 77 87 78 58 76
cnn_03.8 | ReLU | Adam | 100 | 25.69 | 81 | 0.9 | 81 100 74 77 81 83 94 77 74 65
cnn_base_01 | ReLU | RMSProp | 30 | 6.24 | 78 | 1.2 | 67 92 74 79 71 76 90 94 74 59
cnn_base_02 | ReLU | RMSProp | 50 | 10.77 | 80 | 0.7 | 80 99 80 71 75 81 88 74 81 69
"""

# The test samples of Tables 3 and 7 differ, though the text says that all models were evaluated on
# the same test set; both sum to 2,997.
RECALL_TABLES: tuple[PaperTable, ...] = (
    _table(
        3,
        "Recall (accuracy by class) rates for the best RMSProp and Adam optimized MLP models and "
        "base model.",
        _RECALL_COLUMNS,
        _TABLE_3,
        (295, 299, 327, 313, 307, 298, 266, 285, 306, 301),
    ),
    _table(
        7,
        "Recall (accuracy by class) rates for the best CNN models and base models.",
        _RECALL_COLUMNS,
        _TABLE_7,
        (294, 293, 291, 286, 304, 306, 313, 308, 300, 302),
    ),
)

ROWS: dict[str, PaperRow] = {row.model: row for table in TABLES for row in table.rows}
"""All 59 models by name, in the order in which the tables first print them."""

RECALLS: dict[str, PaperRow] = {row.model: row for table in RECALL_TABLES for row in table.rows}
"""The best and base models, by name."""

BASE_AT_100 = "mlp_base_100"
"""The extra run of mlp_base at 100 epochs, which the text mentions without a row in a table."""
BASE_AT_100_ACCURACY = 14.18

SONG_FIGURES: dict[int, tuple[str, ...]] = {
    1: ("rock.00028", "disco.00001", "blues.00001", "reggae.00003"),
    2: ("classical.00003", "country.00028", "hiphop.00001", "jazz.00012"),
    3: ("metal.00000", "pop.00028"),
}
"""The songs of GTZAN that Figures 1 to 3 show."""

# Figure 11's caption says cnn_02.7, which is Figure 10's; its place and text are cnn_03.8's. The
# captions of Figures 5 to 11 promise accuracy and loss, report and confusion; 7 prints the report.
METRIC_FIGURES: dict[int, str] = {
    5: "mlp_12.1",
    6: "mlp_27",
    7: "mlp_base",
    8: "cnn_base_01",
    9: "cnn_01.7",
    10: "cnn_02.7",
    11: "cnn_03.8",
}
"""The model that each of Figures 5 to 11 shows."""

CAPTIONS: dict[int, str] = {
    1: "Waveplot, spectrogram and MFCCs of a rock, a disco, a blues and a reggae song",
    2: "Waveplot, spectrogram and MFCCs of a classical, a country, a hip-hop and a jazz song",
    3: "Waveplot, spectrogram and MFCCs of a metal and a pop song",
    4: "Triangular mel filters",
    **{
        number: f"{model}: accuracy and loss by epoch, classification report, confusion matrix"
        for number, model in METRIC_FIGURES.items()
    },
}
"""What each figure shows, in short words of our own."""
