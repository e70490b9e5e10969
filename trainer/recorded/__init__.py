"""Data sets whose trainings are looked up in a table, with the true answers; no torch here."""
