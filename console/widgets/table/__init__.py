"""A list of any length: rows and their source, pages, the cursor, how it is looked at, marks, the table."""

from console.widgets.table.rows import PAGE, Column, FunctionSource, PageSource, Row
from console.widgets.table.table import VirtualTable, in_hand

__all__ = ["PAGE", "Column", "FunctionSource", "PageSource", "Row", "VirtualTable", "in_hand"]
