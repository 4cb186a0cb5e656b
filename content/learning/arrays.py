"""The numpy module as `np`, imported at its first use: most commands of the program start without it."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]
    """An array of any type and shape; each function says of what."""
    DType = np.dtype[Any]
else:
    Array = DType = Any

    class _Numpy:
        """Stands for the module until an attribute of it is read; each attribute is looked up once."""

        def __getattr__(self, name: str) -> Any:
            attribute = getattr(importlib.import_module("numpy"), name)
            setattr(self, name, attribute)
            return attribute

    np = _Numpy()

__all__ = ["Array", "DType", "np"]
