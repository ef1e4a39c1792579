"""The steps of the command line as functions, for scripts and notebooks."""

from backbeat.classify import Answer, Classifier, Failure, classify_all, find_songs
from backbeat.classify import load as load_classifier
from backbeat.collections.check import check_collection
from backbeat.collections.collection import Collection, read_collection
from backbeat.collections.jam import generate as generate_jam
from backbeat.errors import BackbeatError
from backbeat.features.duplicates import find_near_duplicates
from backbeat.features.importing import import_features
from backbeat.features.prepare import prepare
from backbeat.features.store import Examples, Features, open_features
from backbeat.figures.show import show
from backbeat.frontend import LogMel, Mfcc, Musicnn
from backbeat.parallel.executors import open_executor
from backbeat.runs.contenders import compare_runs
from backbeat.runs.evaluation import Evaluation
from backbeat.runs.scoring import evaluate_run, write_evaluation
from backbeat.splits import Split, make_folds, make_split
from backbeat.splits.audit import audit_splits
from backbeat.training.crossvalidation import cross_validate
from backbeat.training.train import train
from backbeat.tuning import tune
from backbeat.zoo import Spec, read_spec
from backbeat.zoo import find as find_model

__all__ = [
    "Answer",
    "BackbeatError",
    "Classifier",
    "Collection",
    "Evaluation",
    "Examples",
    "Failure",
    "Features",
    "LogMel",
    "Mfcc",
    "Musicnn",
    "Spec",
    "Split",
    "audit_splits",
    "check_collection",
    "classify_all",
    "compare_runs",
    "cross_validate",
    "evaluate_run",
    "find_model",
    "find_near_duplicates",
    "find_songs",
    "generate_jam",
    "import_features",
    "load_classifier",
    "make_folds",
    "make_split",
    "open_executor",
    "open_features",
    "prepare",
    "read_collection",
    "read_spec",
    "show",
    "train",
    "tune",
    "write_evaluation",
]
