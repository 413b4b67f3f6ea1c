"""Measurements with finished networks beside the paper's tables (section 4.8)."""
