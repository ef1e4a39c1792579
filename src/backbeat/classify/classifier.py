"""A song to its genre, with a bundle and without TensorFlow.

A song of any length is read as a stream, cut into the windows that the bundle's front-end takes,
and each slice of them answered by the network; the song's answer is the slices' geometric mean,
calibrated. An answer of less confidence than the bundle's threshold is "unsure"; a song stranger to
the network than nearly all that it was validated on is "out of genre".
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from backbeat import audio
from backbeat import frontend as frontends
from backbeat.bundle.archive import Bundle, read_bundle
from backbeat.bundle.network import Network, Outputs, stack_outputs
from backbeat.bundle.shipped import find_bundle
from backbeat.classify.windows import SongWindows
from backbeat.errors import BackbeatError
from backbeat.evaluation import vote
from backbeat.evaluation.calibration import Calibration, strangeness, with_temperature
from backbeat.files.text import number
from backbeat.parallel.bounds import guarded

if TYPE_CHECKING:
    from backbeat.classify.autotags import Tagger

ANALYSIS_VERSION = 3
"""Of what comes between a file and the network: decoding, windows, front-ends. Raise it with any
change that gives a song another answer: the index then takes none of the older ones."""

_SILENCE = 1e-4  # peak, full scale 1: -80 dBFS, as in the integrity check

Verdict = Literal["sure", "unsure", "out of genre", "not calibrated"]


@dataclass(frozen=True)
class Moment:
    """The answer to one slice of a song."""

    start: float
    """In seconds from the song's beginning."""
    end: float
    """In seconds, too."""
    genre: str
    probability: float


@dataclass(frozen=True)
class Answer:
    """The answer to a song.

    Attributes
    ----------
    path : Path
    seconds : float
        Length of the song, in seconds.
    ranking : tuple of (str, float)
        All genres with their calibrated probabilities, the likeliest first.
    verdict : {"sure", "unsure", "out of genre", "not calibrated"}
        Whether the likeliest genre is an answer to rely on.
    strangeness : float, optional
        The share of familiar songs that are less strange to the network; None if not calibrated.
    agreement : float
        Share of the song's slices whose own answer is the song's.
    timeline : tuple of Moment
        The answer to each slice that is not silent.
    tags : tuple of (str, float)
        MusiCNN's tags, the best first; empty unless asked for.
    embedding : ndarray of float32, shape (n,), optional
        What the network's last layer sees, averaged over the slices: songs that sound alike lie
        close together.
    seconds_asked, seconds_read : float
        How much of the song was to be analysed (its windows, or all of it), and how much of that
        could be read, in seconds.
    note : str
        What was not analysed, such as "15 of 30 s could be read"; empty if nothing is missing.
    """

    path: Path
    seconds: float
    ranking: tuple[tuple[str, float], ...]
    verdict: Verdict
    strangeness: float | None
    agreement: float
    timeline: tuple[Moment, ...]
    tags: tuple[tuple[str, float], ...] = ()
    embedding: npt.NDArray[np.float32] | None = field(default=None, compare=False, repr=False)
    seconds_asked: float = 0.0
    seconds_read: float = 0.0
    note: str = ""

    @property
    def genre(self) -> str:
        """The likeliest genre."""
        return self.ranking[0][0]

    @property
    def probability(self) -> float:
        """The probability of the likeliest genre."""
        return self.ranking[0][1]

    @property
    def withheld(self) -> bool:
        """Whether the likeliest genre is only a guess: the verdict is the answer."""
        return self.verdict in ("unsure", "out of genre")

    @property
    def label(self) -> str:
        """The answer in a word: the likeliest genre, or the verdict that withholds it."""
        return self.verdict if self.withheld else self.genre


@dataclass(frozen=True)
class Failure:
    """A file that was not answered, and why.

    Attributes
    ----------
    path : Path
    reason : str
        In one line.
    status : {"failed", "skipped", "link"}
        "failed" if it could not be read, "skipped" if it is whole but holds too little sound, and
        "link" if it leads to a song that is answered by another name.
    """

    path: Path
    reason: str
    status: Literal["failed", "skipped", "link"] = "failed"


@dataclass(frozen=True)
class Classifier:
    """A bundle, loaded and ready: load once, classify thousands.

    Attributes
    ----------
    bundle : Bundle
    network : Network
    tagger : Tagger, optional
        For MusiCNN's tags, where they are wanted.
    windows : int, optional
        The most half minutes that are analysed of a song, spread over it in as many windows as they
        hold (one where a window is longer); all by default.
    """

    bundle: Bundle
    network: Network
    tagger: "Tagger | None" = None
    windows: int | None = None

    @property
    def genres(self) -> tuple[str, ...]:
        """The genres that it knows."""
        return self.bundle.description.genres

    def classify(
        self, song: Path | npt.NDArray[np.floating], sample_rate: int | None = None
    ) -> Answer:
        """Classify one song.

        Parameters
        ----------
        song : Path or ndarray of float, shape (n,) or (channels, n)
            An audio file of any length, or its samples, full scale 1.
        sample_rate : int, optional
            Of samples, in Hz; a file has its own.

        Returns
        -------
        Answer
            Its path is ``samples`` for an array.

        Raises
        ------
        BackbeatError
            If the file cannot be decoded, or the song is too short, silent or holds no numbers; if
            `sample_rate` is missing for an array, or given for a file; if tags are wanted of an
            array.
        """
        if isinstance(song, Path) != (sample_rate is None):
            raise BackbeatError("sample_rate: goes with samples, and not with a file")
        if isinstance(song, Path):
            path, opening = song, audio.open_source(song)
        elif self.tagger:
            raise BackbeatError("tags: need a file; load the classifier without them")
        else:
            path, opening = Path("samples"), audio.open_samples(song, sample_rate or 0)
        described = self.bundle.description
        front = described.frontend
        rows: list[Outputs] = []
        spans: list[tuple[float, float]] = []
        with opening as source:
            most = self.windows and self.windows * frontends.half_minute(front)
            windows = SongWindows(source, front, most)
            for window in windows:
                if not audio.is_sound(window.samples):
                    raise audio.AudioError(path, audio.NO_SOUND)
                if np.abs(window.samples).max() >= _SILENCE:
                    extracted = front.extract(window.samples)
                    x = frontends.as_input(extracted, front, described.input)
                    loud = np.flatnonzero(_peaks(window.samples, len(x), front) >= _SILENCE)
                    rows.append(self.network.outputs(x[loud]))
                    step = self._slice_seconds(len(window.samples), len(x))
                    first = window.start
                    spans += [(first + step * i, first + step * (i + 1)) for i in loud.tolist()]
        min_seconds = front.min_answer_samples / front.sample_rate
        # A whole file that holds too little sound is skipped, a damaged one has failed.
        if windows.read < min_seconds:
            needs = f"this model needs {number(min_seconds, 1)} s"
            if windows.damage:
                raise audio.AudioError(path, f"{windows.damage}; {needs}")
            raise audio.AudioError(path, f"too short: {needs}", "too-short")
        if not rows:
            raise _silent(path, windows)
        answer = replace(
            self._answer(path, windows.seconds, stack_outputs(rows), spans),
            seconds_asked=round(windows.asked, 3),
            seconds_read=round(windows.read, 3),
            note=windows.note,
        )
        if self.tagger:
            tags, note = self.tagger.tag(path)
            answer = replace(answer, tags=tags, note=answer.note or note)
        return answer

    def answer(self, path: Path) -> "Answer | Failure":
        """Classify one song, or say why that cannot be; as one of many, within its bounds."""
        try:
            with guarded(path):
                return self.classify(path)
        except BackbeatError as error:
            if not isinstance(error, audio.AudioError):
                return Failure(path, str(error))
            return Failure(path, error.what, "skipped" if error.whole else "failed")
        except Exception as error:  # noqa: BLE001 - a decoder's surprise must not stop the others
            words = " ".join(str(error).split())
            return Failure(path, f"could not be decoded ({type(error).__name__}: {words})")

    def _slice_seconds(self, window: int, slices: int) -> float:
        front = self.bundle.description.frontend
        if isinstance(front, frontends.Mfcc):
            return front.slice_seconds
        return window / front.sample_rate / slices

    def _answer(
        self, path: Path, seconds: float, given: Outputs, spans: list[tuple[float, float]]
    ) -> Answer:
        calibration = self.bundle.description.calibration
        song = with_temperature(vote(given.probabilities), calibration.temperature)
        slices = with_temperature(given.probabilities, calibration.slice_temperature)
        strange = None
        if known := calibration.out_of_genre:
            vectors: npt.NDArray[np.float32] = getattr(given, known.space)
            song_vector = vectors.mean(axis=0, dtype=np.float64)[np.newaxis]
            strange = known.score(float(strangeness(song_vector, known)[0]))
        order = np.argsort(-song, kind="stable")
        best = slices.argmax(axis=1)
        # A moment twice in the windows counts once here, as in the timeline.
        moments = [
            (start, end, genre, float(row[genre]))
            for (start, end), genre, row in zip(_in_turn(spans), best, slices, strict=True)
            if end - start > 0.01
        ]
        return Answer(
            path=path,
            seconds=round(seconds, 3),
            ranking=tuple((self.genres[genre], float(song[genre])) for genre in order),
            verdict=verdict_of(calibration, float(song.max()), strange),
            strangeness=strange,
            agreement=float(np.mean([genre == order[0] for _, _, genre, _ in moments])),
            timeline=tuple(
                Moment(round(start, 3), round(end, 3), self.genres[genre], share)
                for start, end, genre, share in moments
            ),
            embedding=given.embedding.mean(axis=0),
        )


def _silent(path: Path, windows: SongWindows) -> audio.AudioError:
    """Make the error of a song without a sound in what was analysed of it."""
    if windows.damage:
        return audio.AudioError(path, f"silent as far as it could be read: {windows.damage}")
    if windows.whole:
        return audio.AudioError(path, "silent: no sound above -80 dBFS", "silent")
    stretches = "the stretch" if windows.count == 1 else f"the {windows.count} stretches"
    what = f"silent in {stretches} analysed; --windows all analyses the whole song"
    return audio.AudioError(path, what, "silent")


def _in_turn(spans: Iterable[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Cut from each span what the ones before it cover: the last window begins in one before."""
    covered = 0.0
    for start, end in spans:
        covered = max(covered, start)
        yield covered, end
        covered = max(covered, end)


def verdict_of(calibration: Calibration, confidence: float, strange: float | None) -> Verdict:
    """Judge an answer by its calibrated probability, and how strange its song is; see `Answer`."""
    out_of_genre, unsure = calibration.out_of_genre, calibration.unsure
    if not calibration.fitted:
        return "not calibrated"
    if out_of_genre and strange is not None and strange > out_of_genre.threshold:
        return "out of genre"
    if unsure and confidence < unsure.threshold:
        return "unsure"
    return "sure"


def _peaks(
    window: npt.NDArray[np.float32], slices: int, front: frontends.FrontEnd
) -> npt.NDArray[np.float32]:
    """Give the peak of each slice; the slices of a map have one together."""
    if isinstance(front, frontends.Mfcc):
        parts = window[: slices * front.slice_samples].reshape(slices, -1)
        return np.asarray(np.abs(parts).max(axis=1))
    return np.full(slices, np.abs(window).max())


def load(model: Path | str, *, tags: bool = False, windows: int | None = None) -> Classifier:
    """Load a bundle for classifying.

    Parameters
    ----------
    model : Path or str
        A ``.backbeat`` file, a run directory, or the name of a bundle that comes with backbeat.
    tags : bool
        Whether MusiCNN's tags are wanted too, for which songs are decoded again.
    windows : int, optional
        The most windows to analyse of a song; all by default.

    Raises
    ------
    BackbeatError
        If it is no bundle, or damaged, or of features that no audio can be turned into.
    """
    bundle = read_bundle(find_bundle(model))
    if not bundle.description.takes_audio:
        raise BackbeatError(
            f"{bundle.path}: its model takes vectors that were made elsewhere, so it cannot "
            "classify audio; `backbeat evaluate --model BUNDLE --on FEATURES` predicts from "
            "vectors"
        )
    tagger = None
    if tags:
        from backbeat.classify.autotags import load_tagger

        tagger = load_tagger()
    return Classifier(bundle, bundle.open(), tagger, windows)
