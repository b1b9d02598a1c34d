"""The shell around the pure core: the loop that runs one parent order, its child orders, and what became of them."""
