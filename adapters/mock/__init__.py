"""Mocked venues: one simulated market, and faces that speak each venue's wire protocol over it."""
