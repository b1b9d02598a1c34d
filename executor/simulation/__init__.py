"""Seeded worlds with faults: the real engine, journal and adapters against mocked venues, under a virtual clock."""
