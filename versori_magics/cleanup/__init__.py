"""Selection, plan, consent, run and report of a deletion. Independent of IPython, pandas and HTTP."""
