-- COPY in both directions, its errors, and among other statements.
CREATE TABLE t (a int, b text);
COPY t FROM stdin;
1	one
2	two
\.
COPY t TO stdout;
COPY t (b) TO stdout WITH (FORMAT csv, HEADER);
COPY t FROM stdin;
3	three
x	bad
\.
SELECT count(*) FROM t;
COPY nothing FROM stdin;
COPY (SELECT a, b FROM t ORDER BY a DESC) TO stdout;
COPY (SELECT 1/0) TO stdout;
COPY (SELECT 1/(3-g) FROM generate_series(1,5) g) TO stdout;
BEGIN; COPY t FROM stdin;
5	five
\.
SELECT count(*) FROM t; ROLLBACK; SELECT count(*) FROM t;
COPY t FROM stdin WITH CSV QUOTE '''';
6,'six, with comma'
\.
SELECT * FROM t ORDER BY a;
COPY t FROM stdin\; SELECT 'after copy'\; COPY t TO stdout;
8	eight
\.
COPY (SELECT 'abc') TO STDOUT (FORMAT binary) \g /dev/null
\copy (SELECT g FROM generate_series(1, 3) g) TO stdout
INSERT INTO t SELECT g, repeat('x', 3000) FROM generate_series(1000, 2000) g;
COPY (SELECT length(b), count(*) FROM t WHERE a >= 1000 GROUP BY 1) TO stdout;
CREATE FUNCTION trg() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'row %', NEW.a; RETURN NEW; END $$;
CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trg();
COPY t FROM stdin;
20	twenty
21	more
\.
SET client_encoding = 'latin1';
COPY t TO stdout WHERE false;
RESET client_encoding;
COPY t FROM PROGRAM 'echo 30';
COPY t TO '/nonexistent/file';
