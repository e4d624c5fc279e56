-- Definitions of many kinds, and what depends on who asks and where.
CREATE SCHEMA one; CREATE SCHEMA two AUTHORIZATION CURRENT_USER CREATE TABLE z (a int) CREATE VIEW v AS SELECT a FROM z;
SET search_path = one, two;
CREATE TABLE z (b text); INSERT INTO z VALUES ('one'); SELECT * FROM z; SELECT * FROM v;
\d
\d z
\dn
\df+ nothing
DROP SCHEMA one CASCADE; SELECT * FROM z;
RESET search_path;
CREATE TYPE mood AS ENUM ('sad', 'ok'); ALTER TYPE mood ADD VALUE 'happy'; SELECT enum_range(NULL::mood);
CREATE DOMAIN positive AS int CHECK (VALUE > 0); SELECT 0::positive; SELECT 1::positive;
CREATE TABLE part (a int, b text) PARTITION BY RANGE (a); CREATE TABLE part1 PARTITION OF part FOR VALUES FROM (1) TO (10); INSERT INTO part VALUES (5, 'x'); INSERT INTO part VALUES (50, 'y'); SELECT tableoid::regclass, * FROM part;
CREATE VIEW w AS SELECT a, current_setting('my.a', true) AS s FROM part; SET my.a = 'seen'; SELECT * FROM w; RESET my.a; SELECT * FROM w;
CREATE RULE r AS ON INSERT TO part DO ALSO SELECT 'inserted'; INSERT INTO part VALUES (6, 'z'); DROP RULE r ON part;
CREATE MATERIALIZED VIEW m AS SELECT count(*) AS n FROM part; INSERT INTO part VALUES (7, 'q'); SELECT * FROM m; REFRESH MATERIALIZED VIEW m; SELECT * FROM m;
CREATE FUNCTION log_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'ddl %', tg_tag; END $$;
CREATE EVENT TRIGGER et ON ddl_command_end EXECUTE FUNCTION log_ddl(); CREATE TABLE noisy (a int); DROP EVENT TRIGGER et;
CREATE TABLE inh (c int) INHERITS (part1);
CREATE AGGREGATE mysum (int) (sfunc = int4pl, stype = int, initcond = '0'); SELECT mysum(a) FROM part;
CREATE OPERATOR === (leftarg = int, rightarg = int, function = int4eq); SELECT 1 === 1;
CREATE CAST (mood AS int) WITH FUNCTION nothing(mood);
COMMENT ON TABLE part IS 'parts'; SELECT obj_description('part'::regclass);
CREATE STATISTICS st ON a, b FROM part1; ANALYZE part; SELECT reltuples FROM pg_class WHERE relname = 'part1';
EXPLAIN (COSTS OFF) SELECT * FROM part WHERE a = 5;
SET enable_partition_pruning = off; EXPLAIN (COSTS OFF) SELECT * FROM part WHERE a = 5; RESET enable_partition_pruning;
PREPARE pp(int) AS SELECT * FROM part WHERE a = $1; EXPLAIN (COSTS OFF) EXECUTE pp(5); ALTER TABLE part ADD COLUMN c int; EXECUTE pp(5); DEALLOCATE pp;
GRANT SELECT ON part TO PUBLIC; \dp part
SELECT has_table_privilege('part', 'SELECT');
CREATE TABLE gen (a int, b int GENERATED ALWAYS AS (a * 2) STORED); INSERT INTO gen VALUES (4) RETURNING *; UPDATE gen SET b = 1;
MERGE INTO gen USING (VALUES (4), (5)) AS s(a) ON gen.a = s.a WHEN MATCHED THEN UPDATE SET a = 40 WHEN NOT MATCHED THEN INSERT (a) VALUES (s.a); SELECT * FROM gen ORDER BY 1;
WITH ins AS (INSERT INTO gen VALUES (9) RETURNING *) SELECT * FROM ins;
INSERT INTO gen VALUES (1), (2) ON CONFLICT DO NOTHING; SELECT count(*) FROM gen;
SELECT * FROM gen ORDER BY a FOR UPDATE SKIP LOCKED LIMIT 1;
TRUNCATE gen; SELECT count(*) FROM gen;
CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int REFERENCES a ON DELETE CASCADE); INSERT INTO b VALUES (1); INSERT INTO a VALUES (1); INSERT INTO b VALUES (1); DELETE FROM a; SELECT count(*) FROM b;
SELECT jsonb_path_query('{"a":[1,2]}', '$.a[*]'); SELECT xmlforest(1 AS a); SELECT '{1,2}'::int[] || 3; SELECT row(1, 'a'); SELECT ARRAY[[1,2],[3,4]];
SELECT * FROM generate_series(1, 3) WITH ORDINALITY; SELECT * FROM unnest(ARRAY[1,2], ARRAY['a']) AS x(a, b);
SELECT regexp_matches('foobar', '(o)(b)'); SELECT to_tsvector('english', 'The cats') @@ 'cat'::tsquery; SET default_text_search_config = 'simple'; SELECT to_tsvector('The cats'); RESET default_text_search_config;
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY g) FROM generate_series(1, 5) g; SELECT g, sum(g) OVER (ORDER BY g) FROM generate_series(1, 3) g;
SELECT 1 UNION SELECT 2 EXCEPT SELECT 2; WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT * FROM r;
\crosstabview
SELECT a, b, count(*) FROM (VALUES (1, 'x'), (2, 'y')) v(a, b) GROUP BY 1, 2 \crosstabview
SELECT 1 AS "one" \gx
\pset null '(null)'
SELECT NULL;
\timing off
\echo :SERVER_VERSION_NUM :LAST_ERROR_SQLSTATE :ROW_COUNT
SELECT 1/0;
\echo :LAST_ERROR_SQLSTATE :ERROR
\lo_import /etc/hostname
SELECT count(*) > 0 FROM pg_largeobject;
\set x 'a''b'
SELECT :'x', :"x";
\if true
SELECT 'in if';
\endif
\o /dev/null
SELECT 'nowhere';
\o
SELECT current_user = session_user, current_catalog = current_database(), current_query() ;
SELECT pg_backend_pid() = pg_backend_pid(), pg_is_in_recovery(), version() = version();
SELECT clock_timestamp() >= statement_timestamp(), now() = transaction_timestamp();
