"""The magics, functions and form for notebooks: the only layer that imports IPython, pandas and ipywidgets."""
