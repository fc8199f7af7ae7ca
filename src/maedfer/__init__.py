"""maedfer: which expression does each face in a video show, and when."""

__version__ = "0.1.0"

__all__ = ["__version__"]
