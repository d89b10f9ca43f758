-- Who takes part in keeping the caches fresh: a row a running replica, which it renews twice a second. `redis` is the run
-- of the Redis server that its caches and invalidations are in; empty while it uses none.
CREATE TABLE replicas (
    id    uuid PRIMARY KEY,
    beat  bigint NOT NULL,
    redis text NOT NULL
) WITH (fillfactor = 50);

-- One row. What is cached in Redis is found under name and epoch: a new epoch leaves behind whatever is there. An epoch
-- belongs to one run of one Redis server, since one that was restarted or failed over may have lost invalidations.
CREATE TABLE cache_space (
    one   boolean PRIMARY KEY DEFAULT true CHECK (one),
    name  text NOT NULL,
    epoch bigint NOT NULL DEFAULT 1,
    redis text NOT NULL DEFAULT ''
) WITH (fillfactor = 50);
