"""Two runs side by side, and the gate that lets a candidate through only if nothing became worse."""

from assay.compare.gate import GateReport, gate
from assay.compare.pairing import Pairing, pairing_of
from assay.compare.questions import another_question, refuse_another_question
from assay.compare.report import change_report
from assay.compare.runs import CompareReport, Unmatched, compare

__all__ = [
    "CompareReport",
    "GateReport",
    "Pairing",
    "Unmatched",
    "another_question",
    "change_report",
    "compare",
    "gate",
    "pairing_of",
    "refuse_another_question",
]
