"""How fast the dry run is, beside the least that the same messages cost. See docs/performance.md."""
