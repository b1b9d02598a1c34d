"""Pure values and state: money, mandate, plan, events, the fold. No I/O, no clock, no randomness."""
