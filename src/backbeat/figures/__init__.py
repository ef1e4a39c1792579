"""Figures as matplotlib objects: of a run's scores, and of a song's sound.

Each function takes arrays and returns a `matplotlib.figure.Figure`; it opens no window, reads no
file and touches no global state. `save` writes one as PNG, `to_png` gives its bytes. The look is
defined once, in `backbeat.figures.style`: a light background, and colours that colour-blind
readers can distinguish (Okabe and Ito's; sequential maps that rise steadily in lightness).

The paper's figures in kind: `song` (Figures 1 to 3), `mel_filters` (Figure 4), `run_metrics`
(Figures 5 to 11).
"""

from backbeat.figures.certainty import certainty
from backbeat.figures.comparison import comparison
from backbeat.figures.scores import confusion, learning_curves, recall_bars, run_metrics
from backbeat.figures.sound import mel_filters, mfcc_map, song, spectrogram, waveplot
from backbeat.figures.style import save, to_png
