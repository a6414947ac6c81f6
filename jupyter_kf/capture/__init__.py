"""The notebook's side of travelling: live objects go to the replicas and come back changed, the same objects.

Loads neither TensorFlow nor IPython.
"""

from jupyter_kf.capture.arrival import Arrival, load_outcome, unpack
from jupyter_kf.capture.cell import Cell, needed
from jupyter_kf.capture.lost import Lost, LostError
from jupyter_kf.capture.pickling import Captured, pack

__all__ = ["Arrival", "Captured", "Cell", "Lost", "LostError", "load_outcome", "needed", "pack", "unpack"]
