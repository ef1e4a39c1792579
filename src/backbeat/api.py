"""The steps of the command line as functions, for scripts and notebooks."""

from backbeat.audit import audit_splits
from backbeat.check import check_collection
from backbeat.classify import classify_all, find_songs
from backbeat.classify import load as load_classifier
from backbeat.collection import read_collection
from backbeat.contenders import compare_runs
from backbeat.crossvalidation import cross_validate
from backbeat.duplicates import find_near_duplicates
from backbeat.engine import open_executor
from backbeat.errors import BackbeatError
from backbeat.features import Examples, Features, open_features
from backbeat.frontend import LogMel, Mfcc, Musicnn
from backbeat.importing import import_features
from backbeat.jam import generate as generate_jam
from backbeat.prepare import prepare
from backbeat.scoring import evaluate_run, write_evaluation
from backbeat.show import show
from backbeat.splits import make_folds, make_split
from backbeat.training import train
from backbeat.tuning import tune
from backbeat.zoo import find as find_model
from backbeat.zoo import read_spec

__all__ = [
    "BackbeatError",
    "Examples",
    "Features",
    "LogMel",
    "Mfcc",
    "Musicnn",
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
