"""Floor 3: the only floor that imports IPython, pandas and ipywidgets."""
