"""Probabilities of songs by classifiers that have not heard them."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from backbeat.errors import BackbeatError, needing
from backbeat.evaluation.calibration import fit_temperature, with_temperature
from backbeat.splits.drawing import draw_groups

DRAWS = 3
"""How often the folds are drawn: the mean is steadier than one draw; five were no better."""

_COMPONENTS = 120
_SHRINKAGE = 0.3


def out_of_fold(
    vectors: npt.NDArray[np.floating],
    labels: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64],
    genres: Sequence[str],
    *,
    folds: int = 5,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> npt.NDArray[np.float64]:
    """Give each song the probabilities of classifiers trained on the songs of other folds.

    Linear discriminant analysis, its covariance shrunk, over the first principal components of the
    standardised vectors. As these probabilities are much too sure, each draw's are softened by the
    temperature that makes its labels likeliest.

    Parameters
    ----------
    vectors : ndarray of float, shape (n, d)
    labels : ndarray of int64, shape (n,)
        Indices into `genres`, each of which must be there.
    groups : ndarray of int64, shape (n,)
        Songs of one number stay in one fold.
    genres : sequence of str, length k
    folds : int
        At least 2.
    seed : int
        Of the folds; the mean is over three draws of them.
    on_progress : callable, optional
        Called with the number of classifiers trained and of all.

    Returns
    -------
    ndarray of float64, shape (n, k)
        They sum to 1.

    Raises
    ------
    BackbeatError
        If all songs of a genre fall into one fold, so that nothing can be learnt of it without
        them; if scikit-learn is missing.
    """
    with needing("train", "finding suspicious labels"):
        from threadpoolctl import threadpool_limits

    mean = np.zeros((len(labels), len(genres)))
    for draw in range(DRAWS):
        rng = np.random.default_rng([seed, draw])
        fold = draw_groups(labels, groups, np.full(folds, 1 / folds), rng)
        drawn = np.empty_like(mean)
        for number in range(folds):
            tested = fold == number
            if tested.any():
                _check_all_there(labels[~tested], genres)
                model = _classifier(int((~tested).sum()), vectors.shape[1], seed)
                # Matrices this small take one thread a fraction of a second, and several threads
                # on a busy machine up to 100 times that, as they wait for one another.
                with threadpool_limits(1), warnings.catch_warnings():
                    # Of a genre with one song, whose spread the shared covariance stands in for.
                    warnings.filterwarnings("ignore", "Only one sample available")
                    model.fit(vectors[~tested], labels[~tested])
                    drawn[tested] = model.predict_proba(vectors[tested])
            if on_progress:
                on_progress(draw * folds + number + 1, DRAWS * folds)
        mean += with_temperature(drawn, fit_temperature(drawn, labels)) / DRAWS
    return mean


def _classifier(songs: int, dimensions: int, seed: int) -> Any:
    with needing("train", "finding suspicious labels"):
        from sklearn.decomposition import PCA
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

    components = max(1, min(_COMPONENTS, songs // 2, dimensions))
    return make_pipeline(
        StandardScaler(),
        PCA(components, random_state=seed),
        LinearDiscriminantAnalysis(solver="lsqr", shrinkage=_SHRINKAGE),
    )


def _check_all_there(labels: npt.NDArray[np.int64], genres: Sequence[str]) -> None:
    missing = set(range(len(genres))) - set(labels.tolist())
    if missing:
        raise BackbeatError(
            f"all songs of {genres[min(missing)]} fell into one fold; choose another --seed, "
            "--by tracks, or add songs of other artists"
        )
