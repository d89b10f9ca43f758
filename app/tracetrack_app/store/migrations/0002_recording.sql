-- The three ways to write the ledger. Locks are always taken in the same order: bills, bags by code, new bags by
-- code, daily counts by actor. A race between two transactions about one new code or one scan_id ends in a unique
-- violation; the caller sends the row again and meets the other's result.

CREATE FUNCTION count_entries(entries scan_ledger[], time_zone text) RETURNS void LANGUAGE sql
    SET enable_seqscan = off SET jit = off AS $$
    INSERT INTO daily_counts AS d (actor, day, accepted, refused, parents_created, children_created)
    SELECT coalesce('user:' || e.user_id, 'scanner:' || e.fleet || '/' || e.scanner),
           (now() AT TIME ZONE time_zone)::date,
           count(*) FILTER (WHERE e.refusal IS NULL),
           count(*) FILTER (WHERE e.refusal IS NOT NULL),
           count(*) FILTER (WHERE e.made_bag AND e.kind = 'parent'),
           count(*) FILTER (WHERE e.made_bag AND e.kind = 'child')
    FROM unnest(entries) e
    GROUP BY 1
    ORDER BY 1
    ON CONFLICT (actor, day) DO UPDATE
    SET accepted = d.accepted + excluded.accepted,
        refused = d.refused + excluded.refused,
        parents_created = d.parents_created + excluded.parents_created,
        children_created = d.children_created + excluded.children_created
$$;

-- Records a batch of parent and child scans: one array element each, scan_ids and child codes distinct.
-- Returns the ledger entry of every scan_id; replay tells that it had been recorded before.
CREATE FUNCTION record_scans(
    p_scan_id uuid[], p_code text[], p_kind text[], p_parent text[], p_bill text[], p_refusal text[],
    p_user_id bigint[], p_fleet text[], p_scanner text[], p_source text[], p_station text[],
    p_captured_at timestamptz[], p_capacity integer, p_time_zone text
) RETURNS TABLE (replay boolean, entry scan_ledger) LANGUAGE plpgsql
    SET enable_seqscan = off SET jit = off AS $$
DECLARE
    prior   scan_ledger[];
    entries scan_ledger[];
    seen    uuid[] := '{}';
    created text[] := '{}';
    touched text[];
BEGIN
    SELECT array_agg(l), coalesce(array_agg(l.scan_id), '{}') INTO prior, seen
    FROM scan_ledger l WHERE l.scan_id = ANY (p_scan_id);

    IF 'parent' = ANY (p_kind) THEN
        WITH made AS (
            INSERT INTO bags (code, kind, capacity)
            SELECT DISTINCT i.code, 'parent', p_capacity
            FROM unnest(p_scan_id, p_code, p_kind, p_refusal) AS i (scan_id, code, kind, refusal)
            WHERE i.kind = 'parent' AND i.refusal IS NULL AND i.scan_id <> ALL (seen)
              AND NOT EXISTS (SELECT FROM bags b WHERE b.code = i.code OFFSET 0)
            ORDER BY i.code
            ON CONFLICT (code) DO NOTHING
            RETURNING code
        )
        SELECT coalesce(array_agg(code), '{}') INTO created FROM made;
    END IF;

    SELECT array_agg(c) INTO touched
    FROM (SELECT unnest(p_parent) UNION
          SELECT code FROM unnest(p_code, p_kind) AS i (code, kind) WHERE kind = 'child') AS t (c)
    WHERE c IS NOT NULL;
    IF touched IS NOT NULL THEN
        PERFORM FROM bags WHERE code = ANY (touched) ORDER BY code FOR NO KEY UPDATE;
    END IF;

    WITH input AS (
        SELECT * FROM unnest(p_scan_id, p_code, p_kind, p_parent, p_bill, p_refusal, p_user_id, p_fleet, p_scanner,
                             p_source, p_station, p_captured_at)
        WITH ORDINALITY AS i (scan_id, code, kind, parent, bill, refusal, user_id, fleet, scanner, source, station,
                              captured_at, ord)
    ),
    judged AS MATERIALIZED (
        SELECT i.*, p.id AS parent_id, bag.id AS bag_id, h.holder,
               coalesce(p.child_count, bag.child_count) AS child_count,
               coalesce(p.capacity, bag.capacity) AS capacity,
               bag.kind AS stored_kind,
               CASE WHEN i.refusal IS NOT NULL THEN i.refusal
                    WHEN bag.kind <> i.kind THEN 'wrong_bag_type'
                    WHEN i.kind = 'parent' THEN NULL
                    WHEN p.id IS NULL THEN 'parent_not_found'
                    WHEN h.holder IS NOT NULL THEN 'duplicate_child'
                    WHEN p.child_count >= p.capacity THEN 'capacity_reached'
                    WHEN p.status = 'completed' THEN 'parent_completed'
               END AS verdict
        FROM input i
        LEFT JOIN LATERAL (SELECT b.* FROM bags b WHERE b.code = i.parent AND b.kind = 'parent' OFFSET 0) p ON true
        LEFT JOIN LATERAL (SELECT b.* FROM bags b WHERE b.code = i.code AND i.kind IS NOT NULL OFFSET 0) bag ON true
        LEFT JOIN LATERAL (
            SELECT b.code AS holder FROM links k JOIN bags b ON b.id = k.parent_id
            WHERE k.child_id = bag.id AND bag.kind = 'child' OFFSET 0
        ) h ON true
        WHERE i.scan_id <> ALL (seen)
    ),
    ranked AS (
        SELECT j.*, j.verdict IS NULL AND j.kind = 'child' AS wants_place,
               row_number() OVER (PARTITION BY j.parent_id, j.verdict IS NULL AND j.kind = 'child' ORDER BY j.ord)
                   AS place
        FROM judged j
    ),
    decided AS MATERIALIZED (
        SELECT r.*, f.final,
               r.wants_place AND f.final IS NULL AS links_child,
               r.wants_place AND f.final IS NULL AND r.bag_id IS NULL AS makes_child,
               nextval('scan_ledger_id_seq') AS entry_id,
               CASE WHEN r.wants_place AND f.final IS NULL AND r.bag_id IS NULL THEN nextval('bags_id_seq')
                    ELSE r.bag_id END AS child_id
        FROM ranked r
        CROSS JOIN LATERAL (
            SELECT CASE WHEN r.wants_place AND r.child_count + r.place > r.capacity THEN 'capacity_reached'
                        ELSE r.verdict END AS final
        ) f
        ORDER BY r.ord
    ),
    made AS (
        INSERT INTO bags (id, code, kind)
        SELECT child_id, code, 'child' FROM decided WHERE makes_child ORDER BY code
    ),
    linked AS (
        INSERT INTO links (child_id, parent_id, entry_id)
        SELECT child_id, parent_id, entry_id FROM decided WHERE links_child ORDER BY child_id
    ),
    entered AS (
        INSERT INTO scan_ledger (id, scan_id, outcome, refusal, code, kind, parent, bill, holder, child_count, capacity,
                                 made_bag, user_id, fleet, scanner, source, station, captured_at)
        SELECT entry_id, scan_id,
               CASE WHEN final IS NOT NULL THEN 'refused'
                    WHEN kind = 'child' THEN 'child_linked'
                    WHEN code = ANY (created) THEN 'parent_created'
                    ELSE 'parent_opened' END,
               final, code, coalesce(stored_kind, kind), parent, bill, holder,
               CASE WHEN links_child THEN child_count + place
                    WHEN final = 'capacity_reached' THEN capacity
                    ELSE child_count END,
               capacity,
               makes_child OR (final IS NULL AND kind = 'parent' AND code = ANY (created)),
               user_id, fleet, scanner, source, station, captured_at
        FROM decided
        RETURNING scan_ledger AS row
    )
    SELECT array_agg(e.row) INTO entries FROM entered e;

    IF entries IS NOT NULL THEN
        PERFORM count_entries(entries, p_time_zone);
    END IF;
    RETURN QUERY SELECT false, e FROM unnest(entries) e UNION ALL SELECT true, l FROM unnest(prior) l;
END $$;

-- Puts an existing parent on a bill.
CREATE FUNCTION record_bill_scan(
    p_scan_id uuid, p_code text, p_kind text, p_bill text, p_refusal text,
    p_user_id bigint, p_fleet text, p_scanner text, p_source text, p_station text, p_captured_at timestamptz,
    p_time_zone text
) RETURNS TABLE (replay boolean, entry scan_ledger) LANGUAGE plpgsql
    SET enable_seqscan = off SET jit = off AS $$
DECLARE
    done  scan_ledger;
    bill  bills;
    bag   bags;
    held  bills;
    final text := p_refusal;
BEGIN
    SELECT * INTO done FROM scan_ledger l WHERE l.scan_id = p_scan_id;
    IF FOUND THEN
        RETURN QUERY SELECT true, done;
        RETURN;
    END IF;
    SELECT * INTO bill FROM bills b WHERE upper(b.code) = upper(p_bill) FOR NO KEY UPDATE;
    SELECT * INTO bag FROM bags b WHERE b.code = p_code FOR NO KEY UPDATE;
    SELECT b.* INTO held FROM bill_bags k JOIN bills b ON b.id = k.bill_id
    WHERE k.bag_id = bag.id AND k.removed_at IS NULL;
    IF final IS NULL THEN
        final := CASE WHEN bill.id IS NULL THEN 'bill_not_found'
                      WHEN bag.id IS NULL THEN 'parent_not_found'
                      WHEN bag.kind <> 'parent' THEN 'wrong_bag_type'
                      WHEN held.id = bill.id THEN 'already_on_bill'
                      WHEN held.id IS NOT NULL THEN 'already_on_other_bill'
                      WHEN bill.status = 'completed' THEN 'bill_closed'
                      WHEN bill.bag_count >= bill.capacity THEN 'bill_capacity_reached' END;
    END IF;
    done.id := nextval('scan_ledger_id_seq');
    IF final IS NULL THEN
        INSERT INTO bill_bags (bill_id, bag_id, entry_id) VALUES (bill.id, bag.id, done.id);
    END IF;
    INSERT INTO scan_ledger (id, scan_id, outcome, refusal, code, kind, bill, holder, child_count, capacity, bill_count,
                             bill_capacity, user_id, fleet, scanner, source, station, captured_at)
    VALUES (done.id, p_scan_id, CASE WHEN final IS NULL THEN 'bill_linked' ELSE 'refused' END, final, p_code,
            coalesce(bag.kind, p_kind), coalesce(bill.code, p_bill), held.code, bag.child_count, bag.capacity,
            bill.bag_count + (final IS NULL)::integer, bill.capacity,
            p_user_id, p_fleet, p_scanner, p_source, p_station, p_captured_at)
    RETURNING * INTO done;
    PERFORM count_entries(ARRAY[done], p_time_zone);
    RETURN QUERY SELECT false, done;
END $$;

-- Takes a named child (p_code) out of its parent, or the newest one scanned into p_parent within the last hour.
CREATE FUNCTION record_undo(
    p_scan_id uuid, p_code text, p_parent text, p_user_id bigint, p_fleet text, p_scanner text, p_source text,
    p_station text, p_captured_at timestamptz, p_time_zone text
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
        WHERE p.code = p_parent AND l.recorded_at > now() - interval '1 hour'
        ORDER BY k.entry_id DESC LIMIT 1;
        final := CASE WHEN link.child_id IS NULL THEN 'nothing_to_undo' END;
    END IF;
    PERFORM FROM bags WHERE id IN (link.child_id, link.parent_id) ORDER BY code FOR NO KEY UPDATE;
    SELECT * INTO child FROM bags WHERE id = link.child_id;
    SELECT * INTO parent FROM bags b WHERE b.id = link.parent_id OR (link.parent_id IS NULL AND b.code = p_parent);
    IF final IS NULL THEN
        DELETE FROM links k WHERE k.child_id = link.child_id AND k.entry_id = link.entry_id;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the link changed meanwhile' USING ERRCODE = 'serialization_failure';
        END IF;
    END IF;
    INSERT INTO scan_ledger (scan_id, outcome, refusal, code, kind, parent, child_count, capacity, reverses, user_id,
                             fleet, scanner, source, station, captured_at)
    VALUES (p_scan_id, CASE WHEN final IS NULL THEN 'unlinked' ELSE 'refused' END, final,
            coalesce(child.code, p_code, ''), coalesce(child.kind, 'child'), coalesce(parent.code, p_parent),
            parent.child_count - (final IS NULL)::integer, parent.capacity,
            CASE WHEN final IS NULL THEN link.entry_id END,
            p_user_id, p_fleet, p_scanner, p_source, p_station, p_captured_at)
    RETURNING * INTO done;
    PERFORM count_entries(ARRAY[done], p_time_zone);
    RETURN QUERY SELECT false, done;
END $$;
