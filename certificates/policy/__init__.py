"""Decisions as functions of plain values: no database, clock or network; standard library only."""
