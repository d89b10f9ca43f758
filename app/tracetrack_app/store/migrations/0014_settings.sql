-- Numbers that an admin sets are looked up by the statements that record scans, so a wrong one, also by hand, must not
-- get in: it would stop all work.
ALTER TABLE settings ADD CONSTRAINT settings_in_bounds CHECK (
    CASE WHEN name NOT IN ('parent_capacity', 'undo_window_minutes') THEN true
         WHEN jsonb_typeof(value) <> 'number' THEN false
         WHEN value::numeric <> trunc(value::numeric) THEN false
         WHEN name = 'parent_capacity' THEN value::numeric BETWEEN 1 AND 1000
         ELSE value::numeric BETWEEN 1 AND 1440 END
);

-- Takes a named child (p_code) out of its parent, or the newest one scanned into p_parent within p_window_minutes.
CREATE FUNCTION record_undo(
    p_scan_id uuid, p_code text, p_parent text, p_user_id bigint, p_fleet text, p_scanner text, p_source text,
    p_station text, p_captured_at timestamptz, p_area text, p_time_zone text, p_window_minutes integer
) RETURNS TABLE (replay boolean, entry scan_ledger) LANGUAGE plpgsql
    SET enable_seqscan = off SET jit = off AS $$
DECLARE
    done   scan_ledger;
    link   links;
    child  bags;
    parent bags;
    final  text;
BEGIN
    SELECT * INTO done FROM scan_ledger l WHERE l.scan_id = p_scan_id;
    IF FOUND THEN
        RETURN QUERY SELECT true, done;
        RETURN;
    END IF;
    IF p_code IS NOT NULL THEN
        SELECT k.* INTO link FROM links k JOIN bags c ON c.id = k.child_id JOIN bags p ON p.id = k.parent_id
        WHERE c.code = p_code AND (p_parent IS NULL OR p.code = p_parent);
        final := CASE WHEN link.child_id IS NULL THEN 'not_linked' END;
    ELSE
        SELECT k.* INTO link FROM bags p JOIN links k ON k.parent_id = p.id JOIN scan_ledger l ON l.id = k.entry_id
        WHERE p.code = p_parent AND l.recorded_at > now() - make_interval(mins => p_window_minutes)
        ORDER BY k.entry_id DESC LIMIT 1;
        final := CASE WHEN link.child_id IS NULL THEN 'nothing_to_undo' END;
    END IF;
    PERFORM FROM bags WHERE id IN (link.child_id, link.parent_id) ORDER BY code FOR NO KEY UPDATE;
    SELECT * INTO child FROM bags WHERE id = link.child_id;
    SELECT * INTO parent FROM bags b WHERE b.id = link.parent_id OR (link.parent_id IS NULL AND b.code = p_parent);
    IF p_area IS NOT NULL AND (parent.id IS NOT NULL AND parent.area IS DISTINCT FROM p_area OR
        EXISTS (SELECT FROM bags b WHERE b.code = p_code AND b.area IS DISTINCT FROM p_area)) THEN
        final := 'area_denied';
        link := NULL;
        child := NULL;
        parent := NULL;
    END IF;
    IF final IS NULL THEN
        DELETE FROM links k WHERE k.child_id = link.child_id AND k.entry_id = link.entry_id;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the link changed meanwhile' USING ERRCODE = 'serialization_failure';
        END IF;
    END IF;
    INSERT INTO scan_ledger (scan_id, outcome, refusal, code, kind, parent, child_count, capacity, reverses, user_id,
                             fleet, scanner, source, station, captured_at, area)
    VALUES (p_scan_id, CASE WHEN final IS NULL THEN 'unlinked' ELSE 'refused' END, final,
            coalesce(child.code, p_code, ''), coalesce(child.kind, 'child'), coalesce(parent.code, p_parent),
            parent.child_count - (final IS NULL)::integer, parent.capacity,
            CASE WHEN final IS NULL THEN link.entry_id END,
            p_user_id, p_fleet, p_scanner, p_source, p_station, p_captured_at, coalesce(p_area, parent.area))
    RETURNING * INTO done;
    PERFORM count_entries(ARRAY[done], p_time_zone);
    RETURN QUERY SELECT false, done;
END $$;

-- What a version of the app from before calls: an hour, as it was.
CREATE OR REPLACE FUNCTION record_undo(
    p_scan_id uuid, p_code text, p_parent text, p_user_id bigint, p_fleet text, p_scanner text, p_source text,
    p_station text, p_captured_at timestamptz, p_area text, p_time_zone text
) RETURNS TABLE (replay boolean, entry scan_ledger) LANGUAGE sql AS $$
    SELECT r.replay, r.entry
    FROM record_undo(p_scan_id, p_code, p_parent, p_user_id, p_fleet, p_scanner, p_source, p_station, p_captured_at,
                     p_area, p_time_zone, 60) r
$$;
