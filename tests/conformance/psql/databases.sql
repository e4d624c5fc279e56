-- Databases that come and go, and connections to them.
\set home :DBNAME
CREATE DATABASE passing;
\c passing
CREATE TABLE t (a int); INSERT INTO t VALUES (1);
SELECT * FROM t;
\c :home
CREATE DATABASE copied TEMPLATE passing;
\c copied
SELECT * FROM t;
DROP DATABASE copied;
\c :home
ALTER DATABASE passing RENAME TO passed;
\c passed
SELECT * FROM t;
\c :home
DROP DATABASE copied;
DROP DATABASE IF EXISTS passed;
DROP DATABASE passed;
SELECT datname FROM pg_database WHERE datname IN ('passing', 'passed', 'copied');
-- Chance that is none.
SELECT setseed(0.25);
SELECT random() < 1;
CREATE TABLE drawn AS SELECT n, random() AS r FROM generate_series(1, 3) AS n;
SELECT setseed(0.25);
SELECT random() < 1;
SELECT n, r = random() FROM drawn ORDER BY n;
SET seed TO 0.5;
SELECT random() AS first
\gset
SET seed TO 0.5;
SELECT random() = :first;
