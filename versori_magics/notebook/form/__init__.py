"""The form: the same plan, consent, run and report as the magics, by clicking."""
