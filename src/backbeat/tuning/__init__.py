"""Search for good models: the paper's trial and error, and a general search with Optuna.

Both train on the training part and judge on a validation part; the test part is never touched.
See `run` for the files they leave, `trial_and_error` and `moves` for the paper's procedure,
`search` and `space` for the general one.
"""

from backbeat.tuning.log import Judgement, Log, Trial
from backbeat.tuning.run import SearchProgress, tune
