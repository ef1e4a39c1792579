"""Songs to answers: windows of a song, a classifier, many songs at once, answers written."""

from backbeat.classify.batches import classify_all
from backbeat.classify.classifier import (
    ANALYSIS_VERSION,
    Answer,
    Classifier,
    Failure,
    Moment,
    Verdict,
    load,
)
from backbeat.classify.finding import Found, find_songs, search
