"""Two runs side by side, and the gate that lets a candidate through only if nothing became worse."""

from assay.compare.gate import GateReport, gate
from assay.compare.runs import CompareReport, Unmatched, compare

__all__ = ["CompareReport", "GateReport", "Unmatched", "compare", "gate"]
