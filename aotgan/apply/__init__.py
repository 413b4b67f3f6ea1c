"""Filling holes in anybody's pictures (section 4.8)."""
