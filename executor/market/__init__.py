"""What the market looks like across venues."""
