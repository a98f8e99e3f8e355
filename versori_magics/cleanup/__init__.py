"""Selection, plan, consent, run and report of a deletion. Knows no IPython, pandas or HTTP."""
