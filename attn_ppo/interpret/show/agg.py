"""matplotlib, whatever MPLBACKEND says: our pictures are drawn on Agg canvases of their own.

Every notebook sets MPLBACKEND to a module that other interpreters do not have, and without that
module matplotlib cannot even be imported. So it is imported here first, without the variable,
which then is what it was: for child processes, and in a notebook for the user's own figures.
"""

import contextlib
import os

_backend = os.environ.pop("MPLBACKEND", None)
try:
    import matplotlib as matplotlib
finally:
    if _backend is not None:
        os.environ["MPLBACKEND"] = _backend
if _backend:
    with contextlib.suppress(ValueError):
        matplotlib.rcParams["backend"] = _backend
