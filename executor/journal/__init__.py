"""The record: append-only events, one writer, durable before anyone acts on them."""
