"""What a run came to, computed from the record."""
