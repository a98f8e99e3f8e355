"""Jupyter magics to see, plan and safely delete the connections of a Versori organisation."""
