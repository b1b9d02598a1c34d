"""Many processes on many machines that share the work: who is alive, who runs what, who may send. PostgreSQL only."""

from executor.errors import InputRefused

try:
    import psycopg as psycopg
except ImportError as missing:
    raise InputRefused(
        f"workers need PostgreSQL, and that the extra (pip install 'disposal-executor[postgres]'): {missing}"
    ) from None
