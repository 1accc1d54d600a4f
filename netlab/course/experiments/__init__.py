"""Experiments of the notebooks, a file a notebook: a cell calls one function, and shows its table and its figure."""
