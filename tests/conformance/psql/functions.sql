-- Errors, notices, functions, large objects, plans; a server that is cancelled and one that is ended.
CREATE TABLE t (a int);
CREATE FUNCTION boom() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'boom %', 1 USING ERRCODE = '22012', DETAIL = 'd', HINT = 'h', TABLE = 't', COLUMN = 'a'; END $$;
\set VERBOSITY verbose
SELECT boom();
\set VERBOSITY default
SELECT boom();
\errverbose
CREATE FUNCTION noisy() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE DEBUG 'd'; RAISE LOG 'l'; RAISE INFO 'i'; RAISE NOTICE 'n'; RAISE WARNING 'w'; RETURN 1; END $$;
SELECT noisy();
SET client_min_messages = warning; SELECT noisy(); RESET client_min_messages;
CREATE FUNCTION catches() RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM 1/0; EXCEPTION WHEN division_by_zero THEN RETURN SQLSTATE || SQLERRM; END $$;
SELECT catches();
DO $$ DECLARE r record; BEGIN FOR r IN SELECT g FROM generate_series(1,3) g LOOP INSERT INTO t VALUES (r.g); RAISE NOTICE '%', r.g; END LOOP; END $$;
SELECT * FROM t;
CREATE FUNCTION srf(int) RETURNS SETOF t LANGUAGE sql AS 'SELECT * FROM t WHERE a <= $1';
SELECT * FROM srf(2); SELECT srf(2);
CREATE PROCEDURE outp(INOUT x int, OUT y text) LANGUAGE plpgsql AS $$ BEGIN x := x * 2; y := 'y' || x; END $$;
CALL outp(4, NULL);
SELECT * FORM t;
SELECT nocol FROM t;
SELECT 1 +
  'abc'::int;
SELECT "Ä", 'ünïcödé' AS "Ä";
SELECT 'ünïcödé' AS "Ä";
SELECT lo_create(12345); BEGIN; SELECT lo_open(12345, 131072); SELECT lowrite(0, 'hello'); COMMIT; SELECT lo_get(12345); SELECT lo_unlink(12345); SELECT lo_get(12345);
SELECT lo_from_bytea(777, '\xdeadbeef'); SELECT lo_put(777, 2, '\x00'); SELECT lo_get(777); SELECT lo_unlink(777);
CREATE TABLE big AS SELECT repeat('0123456789', 100000) AS x; SELECT length(x), md5(x) FROM big; SELECT length(x || x || x) FROM big;
SELECT NULL, '', ' ', E'\n';
;
;;
/* only a comment */;
-- nothing
SELECT 1 AS a, 2 AS a;
SELECT;
VALUES (1, 'a'), (2, 'b');
TABLE t;
EXPLAIN (COSTS OFF) SELECT * FROM t WHERE a = 1;
SET enable_hashjoin = off; SET enable_mergejoin = off; EXPLAIN (COSTS OFF) SELECT * FROM t x JOIN t y USING (a); RESET ALL;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT count(*) FROM t;
SHOW server_version_num \g /dev/null
SELECT pg_export_snapshot() IS NOT NULL;
BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_export_snapshot() AS snap \gset
COMMIT; BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT 'nonsense'; ROLLBACK;
CREATE EVENT TRIGGER et ON ddl_command_end EXECUTE FUNCTION nofunc();
CREATE RULE r AS ON INSERT TO t DO ALSO NOTIFY rule_chan; INSERT INTO t VALUES (9); DROP RULE r ON t;
SELECT pg_stat_force_next_flush(); SELECT state, query FROM pg_stat_activity WHERE pid = pg_backend_pid();
SELECT count(*) FROM pg_stat_activity WHERE application_name = 'psql' AND pid = pg_backend_pid();
LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SHOW auto_explain.log_min_duration; SELECT 1; SHOW auto_explain.log_min_duration; SET auto_explain.nonsense = 1;
SHOW auto_explain.log_format;
SELECT pg_cancel_backend(pg_backend_pid());
SELECT 'alive';
SELECT pg_terminate_backend(pg_backend_pid());
SELECT 'alive';
\c
SELECT 'alive';
