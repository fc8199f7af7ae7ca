"""How good a model is: the paper's views and denser ones, the field's scores with intervals, calibrated confidence,
folds taken together, other label sets, and a report of it all.

Names are taken from its modules, so that the processes that read clips load no torch.
"""

__all__ = ()
