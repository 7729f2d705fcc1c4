"""What runs between the chunks of a fit: held-out data, early stopping, snapshots, logs.

A callback has a method ``on_chunk(state, info)``, whose true return value stops the fit. It is
called after every chunk and after the last step; one with an attribute ``at_steps`` is called after
those steps instead. One with ``on_begin(state, info)`` is called before the first step, too, and
one with ``on_end()`` after the last, however the fit ended; of several members for each. What a
callback has seen stays in it: use a new one for another fit.

A fit that goes on from a checkpoint gives what a callback has seen back to a new one of the same
class, where it has ``state_dict()``, which returns numbers, strings, arrays, and lists, tuples and
dicts of these, and ``load_state_dict(state)``, as those here have.
"""

from pymc_bnn.callbacks.csv_logger import CSVLogger
from pymc_bnn.callbacks.early_stopping import EarlyStopping
from pymc_bnn.callbacks.held_out import HeldOut
from pymc_bnn.callbacks.mlflow_logger import MLflowLogger
from pymc_bnn.callbacks.snapshots import Snapshots
from pymc_bnn.callbacks.tensorboard_logger import TensorBoardLogger
from pymc_bnn.inference.info import Info
from pymc_bnn.inference.progress import Progress

__all__ = [
    "CSVLogger",
    "EarlyStopping",
    "HeldOut",
    "Info",
    "MLflowLogger",
    "Progress",
    "Snapshots",
    "TensorBoardLogger",
]


def __dir__() -> list[str]:  # what tab completion shows
    return sorted(__all__)
