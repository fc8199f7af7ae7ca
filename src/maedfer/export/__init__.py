"""A classifier for those who ship it: ONNX in float32, int8 by static quantisation, and the proof that both agree.

::

    from maedfer import export_onnx

    exported = export_onnx("default", "out", int8=True)
"""

from maedfer.export.compare import Agreement, compare
from maedfer.export.export import Exported, export_onnx
from maedfer.export.graph import write_graph
from maedfer.export.quantise import write_int8

__all__ = ["Agreement", "Exported", "compare", "export_onnx", "write_graph", "write_int8"]
