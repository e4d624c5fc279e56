-- Encodings and languages.
SHOW client_encoding;
\encoding latin1
SHOW client_encoding;
SELECT convert_to('é', 'UTF8');
SELECT U&'\20AC';
\encoding utf8
SELECT U&'\20AC';
SET NAMES 'SQL_ASCII'; SHOW client_encoding; RESET client_encoding; SHOW client_encoding;
SET client_encoding = 'nonsense';
SELECT E'\xff';
SELECT 'a' || chr(0);
SET lc_messages = 'C'; SET lc_numeric = 'C'; SELECT to_char(1234.5, '9G999D9');
SET bytea_output = hex; SELECT 'é'::bytea;
SET lc_time = 'C'; SELECT to_char('2001-02-03'::date, 'TMMonth');
SELECT name FROM pg_timezone_names WHERE name = 'Europe/Berlin';
SET timezone_abbreviations = 'Default'; SET timezone = 'Europe/Berlin'; SELECT '2001-07-01 12:00'::timestamptz; SELECT current_setting('TimeZone');
BEGIN; SET LOCAL timezone = 'UTC'; SELECT '2001-07-01 12:00+00'::timestamptz; COMMIT; SELECT '2001-07-01 12:00+00'::timestamptz;
