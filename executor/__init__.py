"""Order execution service for disposing of seized crypto holdings: strategies, guards, journal, engine, commands."""
