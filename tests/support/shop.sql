-- The sample shop of `./dev run`: run once, in an empty database `shop`, by a superuser.
CREATE ROLE shop LOGIN;
CREATE ROLE reporter LOGIN;
ALTER DATABASE shop OWNER TO shop;
GRANT ALL ON SCHEMA public TO shop;
SET ROLE shop;

CREATE TABLE customers (
    id         integer PRIMARY KEY,
    name       text NOT NULL,
    city       text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE TABLE products (
    id    integer PRIMARY KEY,
    name  text NOT NULL,
    price numeric(10, 2) NOT NULL CHECK (price >= 0),
    stock integer NOT NULL
);
CREATE TABLE orders (
    id          integer PRIMARY KEY,
    customer_id integer NOT NULL REFERENCES customers,
    status      text NOT NULL CHECK (status IN ('open', 'paid', 'sent')),
    placed_at   timestamptz NOT NULL
);
CREATE TABLE order_items (
    order_id   integer NOT NULL REFERENCES orders,
    line       integer NOT NULL,
    product_id integer NOT NULL REFERENCES products,
    quantity   integer NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (order_id, line)
);
CREATE INDEX ON orders (customer_id);
CREATE INDEX ON order_items (product_id);

INSERT INTO customers
SELECT n, 'Customer ' || n, (ARRAY['Lyon', 'Porto', 'Graz', 'Turku', 'Ghent'])[1 + n % 5], '2024-01-01'::timestamptz + n * interval '7 hours'
FROM generate_series(1, 500) AS n;
INSERT INTO products
SELECT n, (ARRAY['Kettle', 'Lamp', 'Chair', 'Rope', 'Clock', 'Bowl'])[1 + n % 6] || ' ' || n, 5 + (n * 37 % 400) / 4.0, n * 13 % 90
FROM generate_series(1, 200) AS n;
INSERT INTO orders
SELECT n, 1 + n * 31 % 500, (ARRAY['open', 'paid', 'sent', 'sent'])[1 + n % 4], '2025-01-01'::timestamptz + n * interval '3 hours'
FROM generate_series(1, 2000) AS n;
INSERT INTO order_items
SELECT o, line, 1 + (o * 17 + line * 29) % 200, 1 + (o + line) % 4
FROM generate_series(1, 2000) AS o, generate_series(1, 3) AS line;

GRANT SELECT ON ALL TABLES IN SCHEMA public TO reporter;
RESET ROLE;
ANALYZE;
