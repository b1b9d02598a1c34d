"""Every statement of the workers. The tables are a projection: what was submitted stands in the journal, and so does
every parent order with its epoch. They can be dropped and are made again; what they say decides who works, never what
may be sold.

All times are the database's. Each statement stands alone, outside any transaction of the client's, so a process that
freezes holds no lock.
"""

TABLES = (
    """
    CREATE TABLE IF NOT EXISTS workers (
        name    TEXT PRIMARY KEY, -- never used twice: it ends in a number that is drawn at each start
        place   TEXT NOT NULL, -- mock, sandbox or production: which venues it is connected to
        serves  INTEGER NOT NULL, -- the newest schema of the journal that it can work on
        program TEXT NOT NULL,
        signer  TEXT NOT NULL, -- the key that it signs the record with
        joined  TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
        beat    TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
        state   TEXT NOT NULL DEFAULT 'up' CHECK (state IN ('up', 'draining', 'dead', 'left')),
        lag_ms  INTEGER NOT NULL DEFAULT 0
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS work (
        parent    TEXT COLLATE "C" PRIMARY KEY,
        place     TEXT NOT NULL,
        needs     INTEGER NOT NULL, -- the oldest schema that a worker must know to work on it
        worker    TEXT, -- who runs it; NULL: nobody, it may be taken from ``due`` on
        due       TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
        state     TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'done', 'refused')),
        said      TEXT NOT NULL DEFAULT '' -- why it is not being worked on, in words
    )
    """,
    "CREATE INDEX IF NOT EXISTS work_open ON work (place, worker, due) WHERE state = 'open'",
    "CREATE TABLE IF NOT EXISTS turns (key TEXT PRIMARY KEY, free_at TIMESTAMPTZ NOT NULL)",
    "CREATE SEQUENCE IF NOT EXISTS worker_numbers",
)
TABLES_LOCK = "SELECT pg_advisory_xact_lock(hashtext('executor workers'))"

# --- a worker's life -------------------------------------------------------------------------------------------------

# The dead are not told apart from those that left in good order: both are out of the way of a name's owner.
JOIN = """
    INSERT INTO workers (name, place, serves, program, signer)
    SELECT %(stem)s || '.' || nextval('worker_numbers'), %(place)s, %(serves)s, %(program)s, %(signer)s
    RETURNING name
"""
OTHER_SIGNERS = "SELECT name, signer FROM workers WHERE state IN ('up', 'draining') AND signer <> %s ORDER BY name"
BEAT = """
    UPDATE workers SET beat = clock_timestamp(), lag_ms = %(lag_ms)s
    WHERE name = %(name)s AND state IN ('up', 'draining')
    RETURNING state, clock_timestamp()
"""
DRAIN = "UPDATE workers SET state = 'draining' WHERE name = %s AND state = 'up' RETURNING name"
# What it still held is free at once.
LEAVE = """
    WITH gone AS (UPDATE workers SET state = 'left' WHERE name = %(name)s AND state <> 'dead' RETURNING name)
    UPDATE work SET worker = NULL, due = clock_timestamp() WHERE worker = %(name)s RETURNING parent
"""

# --- what the living do for the dead ---------------------------------------------------------------------------------

JUDGE = """
    UPDATE workers SET state = 'dead'
    WHERE state IN ('up', 'draining') AND beat < clock_timestamp() - %s::interval
    RETURNING name
"""
# Whatever made a parent order lose its worker: every open one has exactly one that is alive, or may be taken.
FREE = """
    UPDATE work SET worker = NULL, due = clock_timestamp()
    WHERE worker IS NOT NULL AND state = 'open' AND worker NOT IN (
        SELECT name FROM workers WHERE state IN ('up', 'draining')
    )
    RETURNING parent
"""
# The streams that begin with submitted/ are found by their key. What a person submits again after a refusal has one
# event more, and is open again by the command itself.
REBUILD = """
    INSERT INTO work (parent, place, needs)
    SELECT substr(stream, 11), line::jsonb -> 'event' ->> 'place', (line::jsonb -> 'event' ->> 'schema')::integer
    FROM events WHERE stream >= 'submitted/' AND stream < 'submitted0' AND version = 1
    ON CONFLICT (parent) DO NOTHING
    RETURNING parent
"""

# --- taking and giving back work -------------------------------------------------------------------------------------

# Each takes its share and no more, so that a machine that comes back finds something to do; what nobody has taken for
# three seconds, because the others cannot, is taken beyond it. A parent order that a newer program has touched is from
# then on only for those that know as much.
CLAIM = """
    WITH shares AS (
        SELECT
            (SELECT count(*) FROM work WHERE state = 'open' AND place = %(place)s) AS open,
            (SELECT count(*) FROM workers WHERE state = 'up' AND place = %(place)s) AS up,
            (SELECT count(*) FROM work WHERE state = 'open' AND worker = %(name)s) AS mine
    ), free AS MATERIALIZED (
        SELECT parent FROM work
        WHERE state = 'open' AND place = %(place)s AND worker IS NULL AND needs <= %(serves)s
            AND due <= clock_timestamp()
            AND parent <> ALL (%(unable)s::text[])
        ORDER BY due, parent
        LIMIT (
            SELECT greatest(
                CASE WHEN up > 0 THEN ceil(open::numeric / up)::integer - mine ELSE 0 END,
                (
                    SELECT count(*)::integer FROM work
                    WHERE state = 'open' AND place = %(place)s AND worker IS NULL AND needs <= %(serves)s
                        AND due <= clock_timestamp() - interval '3 seconds'
                        AND parent <> ALL (%(unable)s::text[])
                )
            ) FROM shares
        )
        FOR UPDATE SKIP LOCKED
    )
    UPDATE work SET worker = %(name)s, needs = greatest(needs, %(serves)s), said = ''
    WHERE parent IN (SELECT parent FROM free)
        AND EXISTS (SELECT FROM workers WHERE name = %(name)s AND state = 'up')
    RETURNING parent
"""
MINE = "SELECT parent FROM work WHERE worker = %s AND state = 'open' ORDER BY parent"
GIVE_BACK = """
    UPDATE work SET worker = NULL, state = %(state)s, said = %(said)s, due = clock_timestamp() + %(after)s::interval
    WHERE parent = %(parent)s AND worker = %(name)s
    RETURNING parent
"""
SUBMIT = """
    INSERT INTO work (parent, place, needs) VALUES (%(parent)s, %(place)s, %(needs)s)
    ON CONFLICT (parent) DO UPDATE SET
        state = CASE WHEN work.state = 'done' THEN 'done' ELSE 'open' END,
        due = CASE WHEN work.state = 'refused' THEN clock_timestamp() ELSE work.due END
    RETURNING state
"""

# --- looking ---------------------------------------------------------------------------------------------------------

WORKERS = """
    SELECT workers.name, workers.place, workers.state, workers.program, workers.serves,
        round(extract(epoch FROM clock_timestamp() - workers.beat) * 1000)::integer, workers.lag_ms,
        coalesce(array_agg(work.parent ORDER BY work.parent) FILTER (WHERE work.parent IS NOT NULL), '{}')
    FROM workers LEFT JOIN work ON work.worker = workers.name AND work.state = 'open'
    WHERE workers.state IN ('up', 'draining') OR %s
    GROUP BY workers.name ORDER BY workers.joined, workers.name
"""
WAITING = """
    SELECT parent, place, state, said, needs FROM work
    WHERE worker IS NULL AND state <> 'done' ORDER BY parent
"""

# --- turns -----------------------------------------------------------------------------------------------------------

# ``count`` turns in a row, one every ``every``; the answer is how long from now the first of them is, and for how long
# the account must still be left alone, if a venue has said so to any of those who use it.
TAKE_TURNS = """
    WITH wanted AS (SELECT %(every)s::interval AS every, clock_timestamp() AS at)
    INSERT INTO turns AS t (key, free_at) SELECT %(key)s, at + every * %(count)s FROM wanted
    ON CONFLICT (key) DO UPDATE SET
        free_at = greatest(t.free_at, clock_timestamp()) + %(every)s::interval * %(count)s
    RETURNING t.free_at - %(every)s::interval * %(count)s - clock_timestamp(),
        greatest((SELECT free_at - clock_timestamp() FROM turns WHERE key = %(pause)s), interval '0')
"""
PAUSE = """
    INSERT INTO turns AS t (key, free_at) VALUES (%s, clock_timestamp() + %s::interval)
    ON CONFLICT (key) DO UPDATE SET free_at = greatest(t.free_at, excluded.free_at)
    RETURNING key
"""
