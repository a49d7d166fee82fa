-- The schema, made once: whoever waited here for somebody who made it finds it, and does nothing. The caller has set
-- search_path. Functions fix theirs for themselves, and what they look up by key they look up in an index: plans are
-- kept, and one that was made when a table was empty would read all of it for ever.
DO $make$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('libotp: schema' COLLATE "C", 0));
  IF to_regnamespace('libotp') IS NOT NULL THEN
    RETURN;
  END IF;
  CREATE SCHEMA libotp;
  COMMENT ON SCHEMA libotp IS 'One-time passwords. Made and read by libotp alone.';

  CREATE TABLE libotp.format (number int4 NOT NULL);
  INSERT INTO libotp.format VALUES (1);

  -- mark: in the repository's own row (key 0) alone. It is drawn when that row is made, and when it says that the
  -- repository was moved; other writes leave it.
  -- until: when the row is over, in ms since 1970 by this server's clock. Whole minutes, so that a row that is written
  -- again mostly keeps it, and the index of it need not change.
  CREATE TABLE libotp.rows (
    key uuid PRIMARY KEY,
    version uuid NOT NULL,
    content bytea NOT NULL,
    until int8,
    mark uuid
  ) WITH (fillfactor = 80);
  CREATE INDEX rows_until ON libotp.rows (until) WHERE until IS NOT NULL;

  CREATE UNLOGGED TABLE libotp.leases (
    key uuid PRIMARY KEY,
    owner uuid NOT NULL,
    until int8 NOT NULL
  );

  CREATE FUNCTION libotp.now_ms() RETURNS int8
  LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $function$
    SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::int8
  $function$;

  -- Removes some rows that are over. Waits for nobody, so that who waits for it, waits for no circle.
  CREATE FUNCTION libotp.purge(most int4) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $function$
  DECLARE
    now int8 := libotp.now_ms();
  BEGIN
    DELETE FROM libotp.rows r WHERE r.until <= now AND r.key = ANY (ARRAY(
      SELECT e.key FROM libotp.rows e WHERE e.until <= now ORDER BY e.until LIMIT most FOR UPDATE SKIP LOCKED));
  END
  $function$;

  -- Does each change, in order, whose conditions hold when its turn comes: 1 for each that was done, 0 for one that was
  -- not, 2 where the repository has another mark. Conditions and writes name their change, from 1, and their key, by
  -- its place among the keys. A write without content removes the row. drawn: the mark from then on, where the
  -- repository's own row is written as new or as moved; otherwise 0. Nobody else commits meanwhile, so that who has
  -- moved the repository finds all that was committed before.
  CREATE FUNCTION libotp.commit(
    known uuid, drawn uuid, synced text, purged int4, keys uuid[], changes int4,
    condition_of int4[], condition_key int4[], condition_version uuid[],
    write_of int4[], write_key int4[], write_version uuid[], write_content bytea[], write_kept int8[]
  ) RETURNS text
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $function$
  DECLARE
    absent CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
    number int8;
    now int8;
    mark uuid;
    is_ours bool;
    holds bool;
    it record;
    held uuid[] := array_fill(absent, ARRAY[cardinality(keys)]);
    last int4[] := array_fill(0, ARRAY[cardinality(keys)]);
    verdicts text := '';
    c int4 := 1;
    w int4 := 1;
  BEGIN
    -- With any other, what follows would see what was there before the locks.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
      RAISE EXCEPTION 'libotp.commit needs READ COMMITTED' USING ERRCODE = 'invalid_transaction_state';
    END IF;
    PERFORM set_config('synchronous_commit', synced, true);
    IF drawn = absent THEN
      PERFORM pg_advisory_xact_lock_shared(hashtextextended('libotp: mark' COLLATE "C", 0));
    ELSE
      PERFORM pg_advisory_xact_lock(hashtextextended('libotp: mark' COLLATE "C", 0));
    END IF;
    FOR number IN
      SELECT DISTINCT hashtextextended(('libotp:' || each::text) COLLATE "C", 0) FROM unnest(keys) AS each ORDER BY 1
    LOOP
      PERFORM pg_advisory_xact_lock(number);
    END LOOP;

    now := libotp.now_ms();
    SELECT r.mark INTO mark FROM libotp.rows r WHERE r.key = absent;
    is_ours := coalesce(mark, absent) = known;
    FOR it IN
      SELECT r.key, r.version FROM libotp.rows r WHERE r.key = ANY (keys) AND (r.until IS NULL OR r.until > now)
    LOOP
      held[array_position(keys, it.key)] := it.version;
    END LOOP;

    FOR change IN 1..changes LOOP
      holds := is_ours;
      WHILE condition_of[c] = change LOOP
        holds := holds AND held[condition_key[c]] = condition_version[c];
        c := c + 1;
      END LOOP;
      WHILE write_of[w] = change LOOP
        IF holds THEN
          held[write_key[w]] := write_version[w];
          last[write_key[w]] := w;
        END IF;
        w := w + 1;
      END LOOP;
      verdicts := verdicts || CASE WHEN holds THEN '1' WHEN is_ours THEN '0' ELSE '2' END;
    END LOOP;

    INSERT INTO libotp.rows AS r (key, version, content, until, mark)
      SELECT keys[write_key[n]], write_version[n], write_content[n],
          ((now + write_kept[n]) / 60000 + 1) * 60000, CASE keys[write_key[n]] WHEN absent THEN nullif(drawn, absent) END
        FROM unnest(last) AS n WHERE write_content[n] IS NOT NULL
      ON CONFLICT (key) DO UPDATE
        SET version = excluded.version, content = excluded.content, until = excluded.until,
          mark = coalesce(excluded.mark, r.mark);
    IF array_position(write_content, NULL) IS NOT NULL THEN
      DELETE FROM libotp.rows r WHERE r.key = ANY (ARRAY(
        SELECT keys[write_key[n]] FROM unnest(last) AS n WHERE n > 0 AND write_content[n] IS NULL));
    END IF;
    IF purged > 0 THEN
      PERFORM libotp.purge(purged);
    END IF;
    -- A time-out while COMMIT waits for standbys would have it answer as if they had the change.
    PERFORM set_config('statement_timeout', '0', true);
    RETURN verdicts;
  END
  $function$;

  -- The time, the mark, and rows; at least one line, then without a key.
  CREATE FUNCTION libotp.look(keys uuid[])
  RETURNS TABLE (seen int8, mark uuid, key uuid, version uuid, content bytea)
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $function$
  DECLARE
    now int8 := libotp.now_ms();
  BEGIN
    RETURN QUERY
      SELECT now, head.mark, r.key, r.version, r.content
        FROM (SELECT (SELECT own.mark FROM libotp.rows own
                WHERE own.key = '00000000-0000-0000-0000-000000000000') AS mark) head
        LEFT JOIN libotp.rows r ON r.key = ANY (keys) AND (r.until IS NULL OR r.until > now);
  END
  $function$;

  -- The same of the first rows of a range, in order. Removes rows that are over besides.
  CREATE FUNCTION libotp.page(first uuid, last uuid, most int4)
  RETURNS TABLE (seen int8, mark uuid, key uuid, version uuid, content bytea)
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $function$
  DECLARE
    now int8 := libotp.now_ms();
  BEGIN
    RETURN QUERY
      SELECT now, head.mark, part.key, part.version, part.content
        FROM (SELECT (SELECT own.mark FROM libotp.rows own
                WHERE own.key = '00000000-0000-0000-0000-000000000000') AS mark) head
        LEFT JOIN (
          SELECT r.key, r.version, r.content FROM libotp.rows r
            WHERE r.key BETWEEN first AND last AND (r.until IS NULL OR r.until > now)
            ORDER BY r.key LIMIT most
        ) part ON true
        ORDER BY part.key;
    PERFORM set_config('synchronous_commit', 'off', true);
    PERFORM libotp.purge(64);
    DELETE FROM libotp.leases l WHERE l.until <= now AND l.key = ANY (ARRAY(
      SELECT e.key FROM libotp.leases e WHERE e.until <= now LIMIT 64 FOR UPDATE SKIP LOCKED));
  END
  $function$;

  REVOKE ALL ON ALL FUNCTIONS IN SCHEMA libotp FROM PUBLIC;
END
$make$
