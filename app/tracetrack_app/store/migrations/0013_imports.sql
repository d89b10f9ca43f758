-- Lists imported by people, and what their rows are recorded with: the rules and the ledger are those of scans.

CREATE TABLE import_jobs (
    id          uuid PRIMARY KEY,
    kind        text NOT NULL CHECK (kind IN ('bags', 'bills', 'child-parent', 'parent-bill', 'any')),
    user_id     bigint NOT NULL,
    dry_run     boolean NOT NULL DEFAULT false,
    state       text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'done', 'failed')),
    message     text NOT NULL DEFAULT '',
    runner      uuid,
    rows_total  integer NOT NULL DEFAULT 0,
    rows_done   integer NOT NULL DEFAULT 0,
    imported    integer NOT NULL DEFAULT 0,
    repeated    integer NOT NULL DEFAULT 0,
    unchanged   integer NOT NULL DEFAULT 0,
    refused     integer NOT NULL DEFAULT 0,
    created_at  timestamptz NOT NULL DEFAULT now(),
    started_at  timestamptz,
    seen_at     timestamptz,
    finished_at timestamptz
);
CREATE INDEX import_jobs_by_time ON import_jobs (created_at);

-- Kept until the job is done, so that another replica can go on with it.
CREATE TABLE import_files (
    job_id  uuid NOT NULL REFERENCES import_jobs (id) ON DELETE CASCADE,
    number  integer NOT NULL,
    name    text NOT NULL CHECK (length(name) <= 200),
    content bytea,
    PRIMARY KEY (job_id, number)
);
ALTER TABLE import_files ALTER COLUMN content SET STORAGE EXTERNAL;

-- The rows that were refused, and above each sheet's its header (without a reason), to be mended and sent again.
CREATE TABLE import_problems (
    job_id uuid NOT NULL REFERENCES import_jobs (id) ON DELETE CASCADE,
    number integer NOT NULL,
    file   text NOT NULL,
    sheet  text NOT NULL,
    row    integer NOT NULL,
    reason text,
    holder text,
    cells  text[] NOT NULL,
    PRIMARY KEY (job_id, number)
);

-- record_bill_scan for many: the same rows one after another, in one transaction. Bills and bags are locked first, in
-- the order in which everything locks them.
CREATE FUNCTION record_bill_scans(
    p_scan_id uuid[], p_code text[], p_kind text[], p_bill text[], p_refusal text[], p_station text[],
    p_user_id bigint, p_source text, p_captured_at timestamptz, p_area text, p_time_zone text
) RETURNS TABLE (replay boolean, entry scan_ledger) LANGUAGE plpgsql
    SET enable_seqscan = off SET jit = off AS $$
BEGIN
    PERFORM FROM bills b WHERE upper(b.code) IN (SELECT upper(c) FROM unnest(p_bill) c) AND b.deleted_at IS NULL
    ORDER BY b.id FOR NO KEY UPDATE;
    PERFORM FROM bags b WHERE b.code = ANY (p_code) ORDER BY b.code FOR NO KEY UPDATE;
    FOR i IN 1 .. cardinality(p_scan_id) LOOP
        RETURN QUERY SELECT r.replay, r.entry FROM record_bill_scan(
            p_scan_id[i], p_code[i], p_kind[i], p_bill[i], p_refusal[i], p_user_id, NULL, NULL, p_source, p_station[i],
            p_captured_at, p_area, p_time_zone) r;
    END LOOP;
END $$;

-- Makes bags that are not there, without scanning them: codes and scan_ids distinct. Returns the entry of each bag that
-- it made, or that the same scan_id had made before; nothing for a bag that was there.
CREATE FUNCTION register_bags(
    p_scan_id uuid[], p_code text[], p_kind text[], p_name text[], p_area text[], p_station text[],
    p_user_id bigint, p_source text, p_captured_at timestamptz, p_capacity integer, p_time_zone text
) RETURNS TABLE (replay boolean, entry scan_ledger) LANGUAGE plpgsql
    SET enable_seqscan = off SET jit = off AS $$
DECLARE
    prior   scan_ledger[];
    entries scan_ledger[];
    seen    uuid[] := '{}';
BEGIN
    SELECT array_agg(l), coalesce(array_agg(l.scan_id), '{}') INTO prior, seen
    FROM scan_ledger l WHERE l.scan_id = ANY (p_scan_id);
    WITH input AS (
        SELECT * FROM unnest(p_scan_id, p_code, p_kind, p_name, p_area, p_station)
        WITH ORDINALITY AS i (scan_id, code, kind, name, area, station, ord) WHERE i.scan_id <> ALL (seen)
    ),
    made AS (
        INSERT INTO bags (code, kind, name, capacity, product_id, area)
        SELECT i.code, i.kind, i.name, CASE WHEN i.kind = 'parent' THEN p.capacity ELSE p_capacity END,
               CASE WHEN i.kind = 'parent' THEN p.product_id END, i.area
        FROM input i CROSS JOIN LATERAL product_of(i.code, p_capacity) p
        ORDER BY i.code
        ON CONFLICT (code) DO NOTHING
        RETURNING code
    ),
    entered AS (
        INSERT INTO scan_ledger (scan_id, outcome, code, kind, made_bag, user_id, source, station, captured_at, area)
        SELECT i.scan_id, 'bag_registered', i.code, i.kind, true, p_user_id, p_source, i.station, p_captured_at, i.area
        FROM input i JOIN made m ON m.code = i.code
        ORDER BY i.ord
        RETURNING scan_ledger AS row
    )
    SELECT array_agg(e.row) INTO entries FROM entered e;
    IF entries IS NOT NULL THEN
        PERFORM count_entries(entries, p_time_zone);
    END IF;
    RETURN QUERY SELECT false, e FROM unnest(entries) e UNION ALL SELECT true, l FROM unnest(prior) l;
END $$;
