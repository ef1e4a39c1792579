"""Judging a spec: train it, and measure its accuracy on the validation part.

The test part is cut away before a network sees anything, so that nothing can be chosen by it. Each
judgement is a unit of work of its own, in a folder that is named after the content of the spec::

    spec.yaml        the model
    history.csv      a row an epoch
    SHA256SUMS       checksums of all of these
    result.json      the judgement; it comes last and says that all is there
    checkpoint.npz   only while it trains
"""

import contextlib
import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from backbeat.errors import BackbeatError, one_line
from backbeat.features.store import Examples, Features
from backbeat.files import atomic
from backbeat.files.checksums import check_sums, write_sums
from backbeat.files.documents import read_json
from backbeat.splits import TEST, Split
from backbeat.training import Training, checkpoint, fitting
from backbeat.training.fitting import DivergedError, OnEpoch, OnProgress, StoppedError
from backbeat.training.history import Epoch, read_history, write_history
from backbeat.tuning.log import Judgement
from backbeat.tuning.moves import fingerprint
from backbeat.zoo.shapes import UnfitError, check_fit
from backbeat.zoo.spec import Spec

RESULT = "result.json"


class PrunedError(Exception):
    """Raised by a watcher to end a training that promises little."""


@dataclass(frozen=True)
class Judge:
    """Judges specs on the validation part of a split, and keeps its judgements on disk."""

    features: Features
    examples: Examples  # without the test part; see `without_test`
    split: Split  # of `examples`
    folder: Path  # holds a folder for each spec
    seed: int  # of the weights, the order of slices and dropout, the same for each spec
    threads: int = 1
    on_progress: OnProgress | None = None

    def __call__(self, spec: Spec, watch: OnEpoch | None = None) -> Judgement:
        """Judge a spec, or give the judgement that was made before.

        `watch` is called with the history after each epoch (of a spec judged before, once, with all
        of it); it raises `PrunedError` to end the training. A spec that cannot be tried raises an
        UnfitError; Ctrl-C and SIGTERM raise a StoppedError and keep the last whole epoch.
        """
        _, frames, bands = self.examples.x.shape
        check_fit(spec, (frames, bands), len(self.examples.genres))
        place = self.folder / fingerprint(spec)
        if (place / RESULT).exists():
            judgement = read_judgement(place / RESULT)
            if watch:
                # A judgement stays, even if the training would be ended early by now.
                with contextlib.suppress(PrunedError):
                    watch(read_history(place / "history.csv"))
            return judgement
        judgement, history = self._train(spec, place, watch)
        write_history(place / "history.csv", history)
        result = json.dumps(asdict(judgement), indent=1) + "\n"
        write_sums(place, ("spec.yaml", "history.csv"), {RESULT: result})
        atomic.write_text(place / RESULT, result)
        (place / checkpoint.NAME).unlink(missing_ok=True)
        return judgement

    def _train(
        self, spec: Spec, place: Path, watch: OnEpoch | None
    ) -> tuple[Judgement, tuple[Epoch, ...]]:
        training = Training(
            *(self.features, spec, self.split, self.examples, place, self.seed),
            threads=self.threads,
        )
        network = fitting.new_network(training)
        atomic.write_text(place / "spec.yaml", spec.to_yaml())
        history: tuple[Epoch, ...] = ()
        pruned = False

        def noted(now: tuple[Epoch, ...]) -> None:
            nonlocal history
            history = now
            if watch:
                watch(now)

        try:
            with atomic.scratch(), fitting.enough_memory(spec):
                history = fitting.fit(network, training, self.on_progress, noted)
        except PrunedError:
            pruned = True
        except DivergedError as diverged:
            raise UnfitError(f"{spec.name}: {diverged.reason}") from None
        except StoppedError as stopped:
            raise StoppedError(
                f"{self.folder.parent}: stopped; go on with the same command", stopped.status
            ) from None
        last = history[-1]
        judgement = Judgement(
            accuracy=last.val_accuracy,
            loss=last.val_loss,
            seconds=round(math.fsum(epoch.seconds for epoch in history), 3),
            epochs=len(history),
            pruned=pruned,
        )
        return judgement, history


def without_test(examples: Examples, split: Split) -> tuple[Examples, Split]:
    """Cut the test part away: what is left cannot be trained on it or judged by it."""
    rows = np.flatnonzero(split.part != TEST)
    left = replace(
        examples,
        x=examples.x[rows],
        y=examples.y[rows],
        track=examples.track[rows],
        slice=examples.slice[rows],
    )
    return left, replace(split, part=split.part[rows])


def read_judgement(path: Path) -> Judgement:
    """Read a ``result.json``, or raise a BackbeatError if it is damaged."""
    check_sums(
        path.parent, (RESULT, "history.csv"), f"remove {path.parent}, and it is trained again"
    )
    try:
        content = read_json(path)
        return Judgement(
            accuracy=float(content["accuracy"]),
            loss=float(content["loss"]),
            seconds=float(content["seconds"]),
            epochs=int(content["epochs"]),
            pruned=bool(content["pruned"]),
        )
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise BackbeatError(
            f"{path}: cannot be read as a result ({one_line(error)}); remove {path.parent}"
        ) from error
