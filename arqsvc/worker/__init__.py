"""arq under our rules."""
