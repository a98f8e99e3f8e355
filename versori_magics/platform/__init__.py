"""Floor 1: the Versori API. Knows no IPython and no pandas."""
