"""`python -m assay.demo`: the whole loop on real data, from training to a sealed report on the repair."""

from assay.demo.tables import ADULT_COLUMNS, Columns, adult_table, diabetes_table, out_of_fold, write_table

__all__ = ["ADULT_COLUMNS", "Columns", "adult_table", "diabetes_table", "out_of_fold", "write_table"]
