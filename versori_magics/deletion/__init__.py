"""Floor 2: selection, plan, run, report. Knows no IPython and no pandas; talks to floor 1 through `delete(id)`."""
