"""Trading venues behind one interface. Knows nothing of the executor that uses them."""
