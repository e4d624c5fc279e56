-- What replay.py plays on: the tables of five business applications, a schema each, as such applications have them: views, foreign
-- keys with cascades, triggers that keep updated_at and an audit, an enum, JSON, partitions, row security. `version` is what replay.py
-- checks reads with: every write takes the next one of a sequence, so that a set that holds a written row has no lower maximum.
CREATE SEQUENCE public.versions;
CREATE ROLE desk LOGIN;
CREATE ROLE shop LOGIN;
CREATE ROLE freight LOGIN;
CREATE ROLE support LOGIN;
CREATE ROLE reports LOGIN;

CREATE FUNCTION public.touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    NEW.version := nextval('public.versions');
    RETURN NEW;
END $$;

-- 1. The desktop client.
CREATE SCHEMA desk;
CREATE TABLE desk.groups (id serial PRIMARY KEY, name text NOT NULL, color text, updated_at timestamptz DEFAULT now(), version bigint DEFAULT 0);
CREATE TABLE desk.users (id serial PRIMARY KEY, login text UNIQUE, role text NOT NULL, active boolean DEFAULT true,
    updated_at timestamptz DEFAULT now(), version bigint DEFAULT 0);
CREATE TABLE desk.connections (id serial PRIMARY KEY, user_id int REFERENCES desk.users ON DELETE CASCADE,
    group_id int REFERENCES desk.groups ON DELETE SET NULL, name text, host text, protocol text, port int,
    updated_at timestamptz DEFAULT now(), version bigint DEFAULT 0);
CREATE TABLE desk.permissions (user_id int REFERENCES desk.users ON DELETE CASCADE, connection_id int REFERENCES desk.connections ON DELETE CASCADE,
    level text, updated_at timestamptz DEFAULT now(), version bigint DEFAULT 0, PRIMARY KEY (user_id, connection_id));
CREATE TABLE desk.audit (id bigserial PRIMARY KEY, relation text, operation text, at timestamptz DEFAULT now());
INSERT INTO desk.groups (name, color) SELECT 'group ' || g, 'blue' FROM generate_series(1, 30) g;
INSERT INTO desk.users (login, role) SELECT 'user' || u, CASE WHEN u % 10 = 0 THEN 'admin' ELSE 'operator' END FROM generate_series(1, 400) u;
INSERT INTO desk.connections (user_id, group_id, name, host, protocol, port)
    SELECT 1 + c % 400, 1 + c % 30, 'connection ' || c, 'host' || c || '.example', 'rdp', 3389 FROM generate_series(1, 8000) c;
INSERT INTO desk.permissions (user_id, connection_id, level)
    SELECT 1 + (p * 7) % 400, 1 + p % 8000, 'use' FROM generate_series(1, 20000) p ON CONFLICT DO NOTHING;
CREATE INDEX ON desk.connections (user_id);
CREATE VIEW desk.connection_list AS
    SELECT c.id, c.user_id, c.name, c.host, c.protocol, c.port, g.name AS group_name, c.version
    FROM desk.connections c LEFT JOIN desk.groups g ON g.id = c.group_id;
CREATE FUNCTION desk.audited() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO desk.audit (relation, operation) VALUES (TG_TABLE_NAME, TG_OP);
    IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
    RETURN NEW;
END $$;

-- 2. The order system.
CREATE SCHEMA shop;
CREATE TYPE shop.order_state AS ENUM ('draft', 'open', 'paid', 'shipped', 'cancelled');
CREATE TABLE shop.customers (id serial PRIMARY KEY, name text NOT NULL, region text, details jsonb, updated_at timestamptz DEFAULT now(), version bigint DEFAULT 0);
CREATE TABLE shop.products (id serial PRIMARY KEY, name text, category text, price numeric(10,2));
CREATE TABLE shop.orders (id serial PRIMARY KEY, customer_id int REFERENCES shop.customers ON DELETE CASCADE, seller int, state shop.order_state DEFAULT 'open',
    placed date NOT NULL, updated_at timestamptz DEFAULT now(), version bigint DEFAULT 0);
CREATE TABLE shop.order_lines (id serial PRIMARY KEY, order_id int, product_id int REFERENCES shop.products, quantity int, price numeric(10,2));
CREATE TABLE shop.payments (id serial PRIMARY KEY, order_id int, amount numeric(12,2), method text, approved boolean DEFAULT false,
    updated_at timestamptz DEFAULT now(), version bigint DEFAULT 0);
CREATE TABLE shop.settlements (id serial PRIMARY KEY, seller int, amount numeric(12,2), closed boolean DEFAULT false, until date,
    updated_at timestamptz DEFAULT now(), version bigint DEFAULT 0);
CREATE TABLE shop.history (id bigserial PRIMARY KEY, order_id int, was shop.order_state, becomes shop.order_state, at timestamptz DEFAULT now());
INSERT INTO shop.customers (name, region, details) SELECT 'customer ' || c, (ARRAY['north','south','east','west'])[1 + c % 4],
    jsonb_build_object('segment', 'S' || c % 5, 'limit', c % 1000) FROM generate_series(1, 3000) c;
INSERT INTO shop.products (name, category, price) SELECT 'product ' || p, 'category ' || p % 12, 5 + p % 90 FROM generate_series(1, 400) p;
INSERT INTO shop.orders (customer_id, seller, state, placed) SELECT 1 + (o * 13) % 3000, 1 + o % 40,
    (ARRAY['open','paid','paid','shipped','cancelled']::shop.order_state[])[1 + o % 5], current_date - o % 400 FROM generate_series(1, 15000) o;
INSERT INTO shop.order_lines (order_id, product_id, quantity, price) SELECT 1 + l % 15000, 1 + (l * 7) % 400, 1 + l % 5, 5 + l % 90 FROM generate_series(1, 45000) l;
INSERT INTO shop.payments (order_id, amount, method, approved) SELECT p, 20 + p % 300, (ARRAY['card','transfer','cash'])[1 + p % 3], p % 4 > 0 FROM generate_series(1, 15000) p;
INSERT INTO shop.settlements (seller, amount, closed, until) SELECT 1 + s % 40, 100 + s % 900, s % 3 > 0, current_date - s % 200 FROM generate_series(1, 3000) s;
ALTER TABLE shop.order_lines ADD FOREIGN KEY (order_id) REFERENCES shop.orders ON DELETE CASCADE;
ALTER TABLE shop.payments ADD FOREIGN KEY (order_id) REFERENCES shop.orders ON DELETE CASCADE;
CREATE INDEX ON shop.orders (customer_id);
CREATE INDEX ON shop.order_lines (order_id);
CREATE INDEX ON shop.payments (order_id);
CREATE VIEW shop.order_totals AS
    SELECT o.id, o.customer_id, o.seller, o.state, o.placed, o.version, coalesce(sum(l.quantity * l.price), 0) AS total
    FROM shop.orders o LEFT JOIN shop.order_lines l ON l.order_id = o.id GROUP BY o.id;
CREATE FUNCTION shop.fmt_price(amount numeric) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT to_char(amount, 'FM999G999G990D00') $$;
CREATE FUNCTION shop.keep_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state IS DISTINCT FROM OLD.state THEN
        INSERT INTO shop.history (order_id, was, becomes) VALUES (NEW.id, OLD.state, NEW.state);
    END IF;
    RETURN NULL;
END $$;

-- 3. The freight system.
CREATE SCHEMA freight;
CREATE TABLE freight.clients (id serial PRIMARY KEY, name text, city text);
CREATE TABLE freight.shipments (id serial PRIMARY KEY, client_id int REFERENCES freight.clients ON DELETE RESTRICT, state text, weight numeric(8,2), departs date,
    updated_at timestamptz DEFAULT now(), version bigint DEFAULT 0);
CREATE TABLE freight.deliveries (id serial PRIMARY KEY, shipment_id int REFERENCES freight.shipments ON DELETE CASCADE, driver int, state text, delivered date,
    updated_at timestamptz DEFAULT now(), version bigint DEFAULT 0);
CREATE TABLE freight.invoices (id serial PRIMARY KEY, client_id int REFERENCES freight.clients, shipment_id int REFERENCES freight.shipments ON DELETE SET NULL,
    amount numeric(10,2), paid boolean DEFAULT false, due date, updated_at timestamptz DEFAULT now(), version bigint DEFAULT 0);
CREATE TABLE freight.events (at timestamptz NOT NULL, shipment_id int, what text, version bigint DEFAULT 0) PARTITION BY RANGE (at);
CREATE TABLE freight.events_past PARTITION OF freight.events FOR VALUES FROM (MINVALUE) TO ('2026-01-01');
CREATE TABLE freight.events_present PARTITION OF freight.events FOR VALUES FROM ('2026-01-01') TO (MAXVALUE);
INSERT INTO freight.clients (name, city) SELECT 'client ' || c, 'city ' || c % 50 FROM generate_series(1, 300) c;
INSERT INTO freight.shipments (client_id, state, weight, departs) SELECT 1 + s % 300, (ARRAY['planned','loaded','moving','done','done'])[1 + s % 5], s % 900,
    current_date - s % 300 FROM generate_series(1, 30000) s;
INSERT INTO freight.deliveries (shipment_id, driver, state, delivered) SELECT d, 1 + d % 60, (ARRAY['open','done','done','failed'])[1 + d % 4],
    current_date - d % 300 FROM generate_series(1, 30000) d;
INSERT INTO freight.invoices (client_id, shipment_id, amount, paid, due) SELECT 1 + i % 300, i, 50 + i % 1200, i % 4 > 0, current_date + 30 - i % 300
    FROM generate_series(1, 30000) i;
INSERT INTO freight.events (at, shipment_id, what) SELECT timestamptz '2025-06-01' + e * interval '10 minutes', 1 + e % 30000, 'scan' FROM generate_series(1, 60000) e;
CREATE INDEX ON freight.deliveries (shipment_id);
CREATE INDEX ON freight.invoices (client_id);
CREATE INDEX ON freight.events (shipment_id);
CREATE VIEW freight.open_shipments AS
    SELECT s.id, s.client_id, c.name AS client, s.state, s.weight, s.departs, d.driver, d.state AS delivery, greatest(s.version, d.version) AS version
    FROM freight.shipments s JOIN freight.clients c ON c.id = s.client_id LEFT JOIN freight.deliveries d ON d.shipment_id = s.id WHERE s.state <> 'done';
CREATE VIEW freight.overdue AS SELECT * FROM freight.invoices WHERE NOT paid AND due < current_date;
CREATE FUNCTION freight.delivered() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE freight.shipments SET state = 'done' WHERE id = NEW.shipment_id AND NEW.state = 'done';
    INSERT INTO freight.events (at, shipment_id, what) VALUES (now(), NEW.shipment_id, NEW.state);
    RETURN NULL;
END $$;

-- 4. The customer-support service.
CREATE SCHEMA support;
CREATE TABLE support.agents (id serial PRIMARY KEY, name text, team text);
CREATE TABLE support.tickets (id serial PRIMARY KEY, agent_id int REFERENCES support.agents ON DELETE SET NULL, customer text, subject text, priority int, open boolean DEFAULT true,
    updated_at timestamptz DEFAULT now(), version bigint DEFAULT 0);
CREATE TABLE support.messages (id serial PRIMARY KEY, ticket_id int, author text, body text, at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now(), version bigint DEFAULT 0);
CREATE TABLE support.articles (id serial PRIMARY KEY, title text, body text, tags text[], views int DEFAULT 0, words tsvector,
    updated_at timestamptz DEFAULT now(), version bigint DEFAULT 0);
INSERT INTO support.agents (name, team) SELECT 'agent ' || a, 'team ' || a % 6 FROM generate_series(1, 60) a;
INSERT INTO support.tickets (agent_id, customer, subject, priority, open) SELECT 1 + t % 60, 'customer ' || t % 2000, 'subject ' || t, t % 5, t % 3 = 0 FROM generate_series(1, 20000) t;
INSERT INTO support.messages (ticket_id, author, body, at) SELECT 1 + m % 20000, 'author ' || m % 300, repeat('text of a message ', 8), now() - m * interval '1 minute'
    FROM generate_series(1, 40000) m;
INSERT INTO support.articles (title, body, tags, words) SELECT 'how to ' || a, repeat('knowledge ' || a || ' ', 120), ARRAY['tag' || a % 20, 'tag' || a % 7],
    to_tsvector('simple', 'how to ' || a || ' knowledge') FROM generate_series(1, 600) a;
ALTER TABLE support.messages ADD FOREIGN KEY (ticket_id) REFERENCES support.tickets ON DELETE CASCADE;
CREATE INDEX ON support.messages (ticket_id);
CREATE INDEX ON support.tickets (agent_id) WHERE open;
CREATE VIEW support.workload AS
    SELECT a.id, a.name, a.team, count(t.id) AS tickets, avg(t.priority) AS priority, max(t.version) AS version
    FROM support.agents a LEFT JOIN support.tickets t ON t.agent_id = a.id AND t.open GROUP BY a.id;
CREATE FUNCTION support.answered() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE support.tickets SET priority = priority WHERE id = NEW.ticket_id;
    RETURN NULL;
END $$;

-- 5. The order system's foundations: figures, reports, and what happened, each tenant for itself.
CREATE SCHEMA reports;
CREATE TABLE reports.daily (day date, tenant int, figure text, value numeric, updated_at timestamptz DEFAULT now(), version bigint DEFAULT 0, PRIMARY KEY (day, tenant, figure));
CREATE TABLE reports.operations (id bigserial, at timestamptz NOT NULL DEFAULT now(), tenant int, what text, took_ms real, details jsonb) PARTITION BY RANGE (at);
CREATE TABLE reports.operations_past PARTITION OF reports.operations FOR VALUES FROM (MINVALUE) TO ('2026-06-01');
CREATE TABLE reports.operations_present PARTITION OF reports.operations FOR VALUES FROM ('2026-06-01') TO (MAXVALUE);
INSERT INTO reports.daily (day, tenant, figure, value) SELECT current_date - d, t, f, (d * t) % 977
    FROM generate_series(0, 364) d, generate_series(1, 10) t, unnest(ARRAY['orders','revenue','payments','errors','p95']) f;
INSERT INTO reports.operations (at, tenant, what, took_ms, details) SELECT timestamptz '2026-03-01' + o * interval '3 minutes', 1 + o % 10, 'operation ' || o % 9, o % 800, '{"ok": true}'
    FROM generate_series(1, 30000) o;
CREATE MATERIALIZED VIEW reports.revenue AS
    SELECT c.region, p.category, date_trunc('month', o.placed)::date AS month, sum(l.quantity * l.price) AS revenue, max(o.version) AS version
    FROM shop.orders o JOIN shop.customers c ON c.id = o.customer_id JOIN shop.order_lines l ON l.order_id = o.id JOIN shop.products p ON p.id = l.product_id GROUP BY 1, 2, 3;
ALTER TABLE reports.daily ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON reports.daily USING (tenant = current_setting('app.tenant')::int);

DO $$
DECLARE one record;
BEGIN
    FOR one IN SELECT c.oid::regclass AS relation FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'updated_at' WHERE c.relkind = 'r' LOOP
        EXECUTE format('CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION public.touch()', one.relation);
    END LOOP;
    FOR one IN SELECT n.nspname AS name FROM pg_namespace n WHERE n.nspname IN ('desk', 'shop', 'freight', 'support', 'reports') LOOP
        EXECUTE format('GRANT ALL ON SCHEMA %1$I TO %1$I; GRANT ALL ON ALL TABLES IN SCHEMA %1$I TO %1$I; GRANT ALL ON ALL SEQUENCES IN SCHEMA %1$I TO %1$I', one.name);
        EXECUTE format('GRANT ALL ON SEQUENCE public.versions TO %I', one.name);
    END LOOP;
END $$;
GRANT USAGE ON SCHEMA shop TO reports;
GRANT SELECT ON ALL TABLES IN SCHEMA shop TO reports;
CREATE TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON desk.connections FOR EACH ROW EXECUTE FUNCTION desk.audited();
CREATE TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON desk.permissions FOR EACH ROW EXECUTE FUNCTION desk.audited();
CREATE TRIGGER history AFTER UPDATE ON shop.orders FOR EACH ROW EXECUTE FUNCTION shop.keep_history();
CREATE TRIGGER delivered AFTER UPDATE OF state ON freight.deliveries FOR EACH ROW EXECUTE FUNCTION freight.delivered();
CREATE TRIGGER answered AFTER INSERT ON support.messages FOR EACH ROW EXECUTE FUNCTION support.answered();
ANALYZE;
