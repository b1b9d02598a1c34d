"""Pure rules that the engine asks just before it writes an intent. Each answers allow, wait, refuse or halt."""
