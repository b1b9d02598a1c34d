"""Money after the sale: reads the books of a case from the journal and records what people do to them."""
