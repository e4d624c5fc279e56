-- SQL PREPARE, psql's own describing and generated statements.
CREATE TABLE t AS SELECT g AS a, 'n' || g AS b FROM generate_series(1, 5) g;
SELECT name, statement FROM pg_prepared_statements;
PREPARE q1 AS SELECT * FROM t WHERE a = $1;
EXECUTE q1(2);
EXECUTE q1(3);
PREPARE q1 AS SELECT 1;
PREPARE q2 (text) AS SELECT a FROM t WHERE b = $1;
SELECT name, statement, parameter_types FROM pg_prepared_statements ORDER BY 1;
EXECUTE q2('n4');
EXECUTE q2;
EXECUTE q2(1, 2);
EXECUTE nope;
CREATE TABLE made AS EXECUTE q1(1);
SELECT * FROM made;
EXPLAIN (COSTS OFF) EXECUTE q1(1);
DEALLOCATE q1;
EXECUTE q1(2);
DEALLOCATE q1;
DEALLOCATE PREPARE q2;
SELECT name FROM pg_prepared_statements;
PREPARE a AS SELECT 1; PREPARE b AS SELECT 2; DEALLOCATE ALL; SELECT count(*) FROM pg_prepared_statements;
BEGIN; PREPARE in_tx AS SELECT 'kept'; ROLLBACK; EXECUTE in_tx; DEALLOCATE in_tx;
PREPARE p AS SELECT * FROM t ORDER BY a LIMIT 1;
EXECUTE p;
ALTER TABLE t ADD COLUMN c int;
EXECUTE p;
ALTER TABLE t DROP COLUMN c;
EXECUTE p;
PREPARE ins AS INSERT INTO t VALUES ($1, $2) RETURNING *;
EXECUTE ins(10, 'ten'); EXECUTE ins(11, 'eleven');
PREPARE upd(int) AS UPDATE t SET b = b || '!' WHERE a = $1;
EXECUTE upd(10); SELECT b FROM t WHERE a = 10;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE upd(10);
RESET plan_cache_mode;
PREPARE typed(unknown) AS SELECT $1;
PREPARE "Quoted Name"(int) AS SELECT $1 + 1; EXECUTE "Quoted Name"(1); DEALLOCATE "Quoted Name";
SELECT 'x' \gdesc
SELECT a, b FROM t WHERE a < 3 \gdesc
SELECT * FROM nothing \gdesc
SELECT a FROM t WHERE a = 1 \gset
SELECT :a;
SELECT 'SELECT ' || a FROM t WHERE a < 3 ORDER BY 1 \gexec
CREATE SCHEMA s1; CREATE SCHEMA s2; CREATE TABLE s1.z AS SELECT 's1' AS w; CREATE TABLE s2.z AS SELECT 's2' AS w;
SET search_path = s1; PREPARE z AS SELECT * FROM z; EXECUTE z; SET search_path = s2; EXECUTE z; RESET search_path; EXECUTE z;
DISCARD PLANS; EXECUTE z; DISCARD ALL; EXECUTE z;
SELECT count(*) FROM pg_prepared_statements;
