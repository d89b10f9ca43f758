-- What a version of the app from before areas and products calls now goes the one way that 0004 made, for an actor whom
-- no area limits.

CREATE OR REPLACE FUNCTION record_scans(
    p_scan_id uuid[], p_code text[], p_kind text[], p_parent text[], p_bill text[], p_refusal text[],
    p_user_id bigint[], p_fleet text[], p_scanner text[], p_source text[], p_station text[],
    p_captured_at timestamptz[], p_capacity integer, p_time_zone text
) RETURNS TABLE (replay boolean, entry scan_ledger) LANGUAGE sql AS $$
    SELECT r.replay, r.entry
    FROM record_scans(p_scan_id, p_code, p_kind, p_parent, p_bill, p_refusal, p_user_id, p_fleet, p_scanner, p_source,
                      p_station, p_captured_at, array_fill(NULL::text, ARRAY[cardinality(p_scan_id)]), p_capacity,
                      p_time_zone) r
$$;
CREATE OR REPLACE FUNCTION record_bill_scan(
    p_scan_id uuid, p_code text, p_kind text, p_bill text, p_refusal text,
    p_user_id bigint, p_fleet text, p_scanner text, p_source text, p_station text, p_captured_at timestamptz,
    p_time_zone text
) RETURNS TABLE (replay boolean, entry scan_ledger) LANGUAGE sql AS $$
    SELECT r.replay, r.entry
    FROM record_bill_scan(p_scan_id, p_code, p_kind, p_bill, p_refusal, p_user_id, p_fleet, p_scanner, p_source,
                          p_station, p_captured_at, NULL::text, p_time_zone) r
$$;

CREATE OR REPLACE FUNCTION record_undo(
    p_scan_id uuid, p_code text, p_parent text, p_user_id bigint, p_fleet text, p_scanner text, p_source text,
    p_station text, p_captured_at timestamptz, p_time_zone text
) RETURNS TABLE (replay boolean, entry scan_ledger) LANGUAGE sql AS $$
    SELECT r.replay, r.entry
    FROM record_undo(p_scan_id, p_code, p_parent, p_user_id, p_fleet, p_scanner, p_source, p_station, p_captured_at,
                     NULL::text, p_time_zone) r
$$;
