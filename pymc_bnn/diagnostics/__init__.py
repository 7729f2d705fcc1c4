"""How far a fit got, and what it is worth."""
