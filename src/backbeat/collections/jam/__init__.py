"""jam: a synthetic collection with GTZAN's form, for trying things out where GTZAN cannot be had.

Ten genres sketched with numpy and scipy alone, by fictional artists. It stands for no real music:
see the README.txt that `generate` writes.
"""

from backbeat.collections.jam.collection import generate, is_clip
from backbeat.collections.jam.compose import Song, compose
from backbeat.collections.jam.sounds import SAMPLE_RATE, SECONDS
from backbeat.collections.jam.styles import GENRES
