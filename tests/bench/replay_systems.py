"""The five applications that replay.py plays: what a page of each reads, what a form of each writes, and how often.

A page is a function of a client (replay_load.Client): client.read() and client.write() run a statement, client.random gives the
choices. `facts` names the sets that a row belongs to, "set:column" (no column: one set of all; $0: the first parameter): the
greatest version that a read sees of a set must not be below what a write to it was acknowledged with.
"""
import datetime
from dataclasses import dataclass

TODAY = datetime.date.today()


def hot(client, most):
    """Who is asked for: of `most` things a few are asked for often, as Zipf has it."""
    return 1 + min(most - 1, int(client.random.paretovariate(0.9)) - 1)


# ---- 1. The desktop client ---------------------------------------------------------------------------------------------

def desk_connections(client):
    client.read("SELECT * FROM desk.connection_list WHERE user_id = %s ORDER BY name, id", (client.number % 25 + 1,),
                "connections:id user_connections:$0")


def desk_all_connections(client):
    client.read("SELECT * FROM desk.connections ORDER BY id LIMIT 200", (), "connections:id")


def desk_role(client):
    client.read("SELECT id, login, role, version FROM desk.users WHERE id = %s AND active", (client.number % 25 + 1,), "users:id")


def desk_all_users(client):
    client.read("SELECT id, login, role, version FROM desk.users WHERE active ORDER BY login", (), "users:id")


def desk_groups(client):
    client.read("SELECT id, name, color, version FROM desk.groups ORDER BY name", (), "groups:id")


def desk_permissions(client):
    client.read("SELECT p.user_id, p.connection_id, p.level, c.name, p.version FROM desk.permissions p "
                "JOIN desk.connections c ON c.id = p.connection_id WHERE p.user_id = %s ORDER BY c.name", (client.number % 25 + 1,),
                "user_permissions:user_id")


def desk_save_connection(client):
    client.write("UPDATE desk.connections SET host = %s WHERE id = (SELECT min(id) + %s FROM desk.connections WHERE user_id = %s) "
                 "RETURNING id, version", (f"host{client.random.randrange(9999)}", 0, client.number % 25 + 1), "connections:id")


def desk_create_connection(client):
    rows = client.write("INSERT INTO desk.connections (user_id, group_id, name, host, protocol, port) "
                        "VALUES (%s, 1, 'new', 'new', 'ssh', 22) RETURNING id, user_id, version", (client.number % 25 + 1,), "connections:id user_connections:user_id")
    client.remember("connections", rows[0][0])


def desk_delete_connection(client):
    gone = client.recall("connections")
    if gone is None:
        return desk_create_connection(client)
    client.forget(f"user_connections:{client.number % 25 + 1}")
    return client.write("DELETE FROM desk.connections WHERE id = %s RETURNING id, 1e18::bigint AS version", (gone,), "connections:id")


def desk_grant(client):
    client.write("INSERT INTO desk.permissions (user_id, connection_id, level) VALUES (%s, %s, 'use') ON CONFLICT (user_id, connection_id) "
                 "DO UPDATE SET level = EXCLUDED.level RETURNING user_id, version",
                 (client.number % 25 + 1, client.random.randrange(1, 8000)),
                 "user_permissions:user_id")


def desk_write_user(client):
    client.write("UPDATE desk.users SET role = role WHERE id = %s RETURNING id, version", (client.number % 25 + 1,), "users:id")


def desk_write_group(client):
    client.write("UPDATE desk.groups SET color = %s WHERE id = %s RETURNING id, version", ("red", client.random.randrange(1, 31)),
                 "groups:id")


# ---- 2. The order system -----------------------------------------------------------------------------------------------

def shop_dashboard(client):
    """Fifteen queries: a tile each."""
    since = TODAY - datetime.timedelta(days=30)
    client.read("SELECT count(*) AS n, max(version) AS version FROM shop.orders WHERE placed >= %s", (since,))
    client.read("SELECT sum(total), max(version) AS version FROM shop.order_totals WHERE placed >= %s", (since,))
    client.read("SELECT max(version) AS version, count(*) FROM shop.orders", (), "orders:")
    client.read("SELECT state, count(*) FROM shop.orders GROUP BY state ORDER BY state")
    client.read("SELECT count(*) FROM shop.orders WHERE state = 'open'::shop.order_state")
    client.read("SELECT sum(amount) FILTER (WHERE approved), sum(amount) FILTER (WHERE NOT approved), max(version) AS version "
                "FROM shop.payments",
                (), "payments:")
    client.read("SELECT method, count(*), round(avg(amount), 2) FROM shop.payments WHERE approved GROUP BY method")
    client.read("SELECT region, count(*) FROM shop.customers GROUP BY region ORDER BY 2 DESC")
    client.read("SELECT count(*) FROM shop.customers WHERE details->>'segment' = %s", ("S3",))
    client.read("SELECT sum(amount), max(version) AS version FROM shop.settlements WHERE NOT closed")
    client.read("SELECT placed, count(*), sum(count(*)) OVER (ORDER BY placed) FROM shop.orders WHERE placed >= %s GROUP BY placed",
                (since,))
    client.read("SELECT p.category, sum(l.quantity * l.price) FROM shop.order_lines l JOIN shop.products p ON p.id = l.product_id "
                "GROUP BY 1 ORDER BY 1")
    client.read("SELECT to_char(date_trunc('month', placed), 'YYYY-MM') AS month, count(*) FROM shop.orders GROUP BY 1 ORDER BY 1")
    client.read("SELECT becomes, count(*) FROM shop.history GROUP BY becomes")
    client.read("SELECT count(*) FROM shop.orders WHERE placed >= CURRENT_DATE - 7")     # as people write it; the clock is not cached


def shop_customer(client):
    """A customer with the last orders, and the lines of each by a query of its own: the N+1 that the origin had."""
    who = hot(client, 3000)
    client.read("SELECT id, name, region, details, version FROM shop.customers WHERE id = %s", (who,), "customers:id")
    orders = client.read("SELECT id, customer_id, state, placed, total, version FROM shop.order_totals WHERE customer_id = %s "
                         "ORDER BY version DESC, id DESC LIMIT 8", (who,), "orders_of:customer_id order:id")
    for order in orders:
        client.read("SELECT l.id, p.name, l.quantity, shop.fmt_price(l.price) FROM shop.order_lines l "
                    "JOIN shop.products p ON p.id = l.product_id "
                    "WHERE l.order_id = %s ORDER BY l.id", (order[0],))
        client.read("SELECT id, amount, method, approved, version FROM shop.payments WHERE order_id = %s", (order[0],), "payment:id")


def shop_rankings(client):
    client.read("SELECT c.id, c.name, sum(l.quantity * l.price) AS revenue FROM shop.customers c "
                "JOIN shop.orders o ON o.customer_id = c.id "
                "JOIN shop.order_lines l ON l.order_id = o.id GROUP BY c.id ORDER BY revenue DESC LIMIT 20")
    client.read("SELECT p.id, p.name, sum(l.quantity) AS sold, rank() OVER (ORDER BY sum(l.quantity) DESC) FROM shop.products p "
                "JOIN shop.order_lines l ON l.product_id = p.id GROUP BY p.id ORDER BY sold DESC LIMIT 20")
    client.read("SELECT seller, count(*) AS n, max(version) AS version FROM shop.orders GROUP BY seller ORDER BY n DESC LIMIT 10")


def shop_settlements(client):
    page = client.random.choice((0, 0, 0, 1, 2))
    client.read("SELECT id, seller, amount, closed, until, version FROM shop.settlements "
                "ORDER BY version DESC, id DESC LIMIT 50 OFFSET %s", (page * 50,))
    client.read("SELECT count(*), max(version) AS version FROM shop.settlements", (), "settlements:")
    for seller in range(1, 16):     # the origin's N+1
        client.read("SELECT sum(amount), max(version) AS version FROM shop.settlements WHERE seller = %s", (seller,), "settlements_of:$0")


def shop_order(client):
    """One transaction, with the event as the application would name it."""
    who = hot(client, 3000)
    (order, _, _), = client.write("INSERT INTO shop.orders (customer_id, seller, placed) VALUES (%s, %s, %s) "
                                  "RETURNING id, customer_id, version",
                                  (who, 1 + who % 40, TODAY), "orders: orders_of:customer_id order:id")
    for _ in range(3):
        client.write("INSERT INTO shop.order_lines (order_id, product_id, quantity, price) VALUES (%s, %s, %s, %s)",
                     (order, client.random.randrange(1, 400), 2, 9.5))
    client.remember("orders", order)


def shop_pay(client):
    order = client.recall("orders")
    if order is None:
        return shop_order(client)
    client.read("SELECT state FROM shop.orders WHERE id = %s FOR UPDATE", (order,))
    client.write("INSERT INTO shop.payments (order_id, amount, method, approved) VALUES (%s, 28.5, 'card', true) RETURNING id, version",
                 (order,), "payments: payment:id")
    return client.write("UPDATE shop.orders SET state = 'paid' WHERE id = %s RETURNING id, customer_id, version", (order,),
                        "orders: orders_of:customer_id order:id")


def shop_settle(client):
    client.write("INSERT INTO shop.settlements (seller, amount, until) VALUES (%s, %s, %s) RETURNING seller, version",
                 (client.random.randrange(1, 41), client.random.randrange(900), TODAY), "settlements: settlements_of:seller")


# ---- 3. The freight system ---------------------------------------------------------------------------------------------

def freight_dashboard(client):
    client.read("SELECT state, count(*), sum(weight), max(version) AS version FROM freight.shipments GROUP BY state", (), "shipments:")
    client.read("SELECT state, count(*), max(version) AS version FROM freight.deliveries GROUP BY state", (), "deliveries:")
    client.read("SELECT paid, count(*), sum(amount), max(version) AS version FROM freight.invoices GROUP BY paid", (), "invoices:")
    client.read("SELECT driver, count(*) FROM freight.open_shipments GROUP BY driver ORDER BY 2 DESC LIMIT 10")
    client.read("SELECT c.city, count(*) FROM freight.shipments s JOIN freight.clients c ON c.id = s.client_id GROUP BY c.city "
                "ORDER BY 2 DESC LIMIT 10")
    client.read("SELECT count(*) FROM freight.events WHERE at >= %s", (TODAY - datetime.timedelta(days=200),))


def freight_billing(client):
    who = hot(client, 300)
    client.read("SELECT id, client_id, amount, paid, due, version FROM freight.invoices WHERE client_id = %s "
                "ORDER BY version DESC, id DESC LIMIT 50", (who,),
                "invoice:id invoices_of:client_id")
    client.read("SELECT client_id, sum(amount), count(*), max(version) AS version FROM freight.invoices WHERE client_id = %s AND NOT paid "
                "GROUP BY 1", (who,))
    client.read("SELECT count(*), sum(amount) FROM freight.overdue")    # the view asks for the clock
    client.read("SELECT name, city FROM freight.clients WHERE id = %s", (who,))


def freight_shipments(client):
    who = hot(client, 300)
    rows = client.read("SELECT * FROM freight.open_shipments WHERE client_id = %s ORDER BY id LIMIT 10", (who,))
    for row in rows:
        client.read("SELECT at, what FROM freight.events WHERE shipment_id = %s ORDER BY at DESC LIMIT 5", (row[0],))
    client.read("SELECT id, state, weight, departs, version FROM freight.shipments WHERE id = ANY(%s)", ([row[0] for row in rows],),
                "shipment:id")


def freight_deliveries(client):
    driver = hot(client, 60)
    client.read("SELECT d.id, d.driver, d.state, s.weight, d.version FROM freight.deliveries d "
                "JOIN freight.shipments s ON s.id = d.shipment_id "
                "WHERE d.driver = %s AND d.state = 'open' ORDER BY d.id LIMIT 50", (driver,), "delivery:id")
    client.read("SELECT driver, count(*), max(version) AS version FROM freight.deliveries WHERE driver = %s GROUP BY driver", (driver,),
                "deliveries_of:driver")


def freight_deliver(client):
    client.write("UPDATE freight.deliveries SET state = %s WHERE id = %s RETURNING id, driver, version",
                 (client.random.choice(("open", "failed", "done")), client.random.randrange(1, 30000)),
                 "deliveries: delivery:id deliveries_of:driver")


def freight_bill(client):
    client.write("UPDATE freight.invoices SET paid = NOT paid WHERE id = %s RETURNING id, client_id, version",
                 (client.random.randrange(1, 30000),),
                 "invoices: invoice:id invoices_of:client_id")


def freight_load(client):
    client.write("UPDATE freight.shipments SET state = 'loaded' WHERE id = %s RETURNING id, version", (client.random.randrange(1, 30000),),
                 "shipments: shipment:id")


# ---- 4. The customer-support service -----------------------------------------------------------------------------------

def support_inbox(client):
    agent = hot(client, 60)
    rows = client.read("SELECT id, customer, subject, priority, version FROM support.tickets WHERE agent_id = %s AND open "
                       "ORDER BY priority DESC, id LIMIT 10",
                       (agent,), "ticket:id")
    for row in rows:        # N+1
        client.read("SELECT count(*), max(at) FROM support.messages WHERE ticket_id = %s", (row[0],))


def support_ticket(client):
    ticket = hot(client, 20000)
    client.read("SELECT id, agent_id, subject, priority, open, version FROM support.tickets WHERE id = %s", (ticket,), "ticket:id")
    client.read("SELECT id, ticket_id, author, body, at, version FROM support.messages WHERE ticket_id = %s "
                "ORDER BY version DESC, id DESC LIMIT 20", (ticket,),
                "messages_of:ticket_id")


def support_article(client):
    client.read("SELECT id, title, body, tags, version FROM support.articles WHERE id = %s", (hot(client, 600),), "article:id")


def support_search(client):
    client.read("SELECT id, title, ts_rank(words, q) AS rank FROM support.articles, plainto_tsquery('simple', %s) q WHERE words @@ q "
                "ORDER BY rank DESC, id LIMIT 10",
                (f"knowledge {hot(client, 40)}",))
    client.read("SELECT id, title FROM support.articles WHERE tags @> %s ORDER BY id LIMIT 20", ([f"tag{hot(client, 20)}"],))
    client.read("SELECT id, title FROM support.articles WHERE title ILIKE %s ORDER BY id LIMIT 20", (f"%to {hot(client, 40)}%",))


def support_dashboard(client):
    client.read("SELECT * FROM support.workload ORDER BY tickets DESC, id")
    client.read("SELECT priority, count(*), max(version) AS version FROM support.tickets GROUP BY priority", (), "tickets:")
    client.read("WITH busy AS (SELECT ticket_id, count(*) AS n FROM support.messages GROUP BY ticket_id) "
                "SELECT t.id, t.subject, busy.n FROM busy JOIN support.tickets t ON t.id = busy.ticket_id ORDER BY n DESC, t.id LIMIT 10")
    client.read("SELECT count(*) FROM support.messages WHERE at > now() - interval '1 day'")    # the clock


def support_answer(client):
    client.write("INSERT INTO support.messages (ticket_id, author, body) VALUES (%s, 'agent', 'an answer') RETURNING ticket_id, version",
                 (hot(client, 20000),), "messages_of:ticket_id")


def support_close(client):
    client.write("UPDATE support.tickets SET open = NOT open WHERE id = %s RETURNING id, version", (client.random.randrange(1, 20000),),
                 "tickets: ticket:id")


def support_edit(client):
    client.write("UPDATE support.articles SET views = views + 1 WHERE id = %s RETURNING id, version", (hot(client, 600),), "article:id")


# ---- 5. The order system's foundations ---------------------------------------------------------------------------------

def reports_figures(client):
    """Row security: the tenant is a setting of the session."""
    for figure in ("orders", "revenue", "errors"):
        client.read("SELECT day, value, version FROM reports.daily WHERE figure = %s AND day >= %s ORDER BY day",
                    (figure, TODAY - datetime.timedelta(days=90)))
    client.read("SELECT figure, avg(value), max(version) AS version FROM reports.daily GROUP BY figure ORDER BY figure", (),
                f"figures_of_{client.tenant}:")


def reports_revenue(client):
    client.read("SELECT month, sum(revenue) FROM reports.revenue WHERE region = %s GROUP BY month ORDER BY month",
                (client.random.choice(("north", "south")),))
    client.read("SELECT region, category, sum(revenue) FROM reports.revenue GROUP BY GROUPING SETS ((region), (category), ())")


def reports_sales(client):
    client.read("SELECT c.region, count(DISTINCT o.id), sum(l.quantity * l.price) FROM shop.orders o "
                "JOIN shop.customers c ON c.id = o.customer_id "
                "JOIN shop.order_lines l ON l.order_id = o.id WHERE o.placed >= %s GROUP BY c.region",
                (TODAY - datetime.timedelta(days=60),))


def reports_operations(client):
    client.read("SELECT what, count(*), percentile_cont(0.95) WITHIN GROUP (ORDER BY took_ms) FROM reports.operations WHERE tenant = %s "
                "GROUP BY what", (client.tenant,))


def reports_note(client):
    client.write("INSERT INTO reports.operations (tenant, what, took_ms, details) VALUES (%s, 'order', 12, '{\"ok\": true}')",
                 (client.tenant,))


def reports_roll_up(client):
    client.write("UPDATE reports.daily SET value = value + 1 WHERE day = %s AND figure = 'orders' RETURNING version", (TODAY,),
                 f"figures_of_{client.tenant}:")


@dataclass(frozen=True)
class System:
    """Who plays it, its pages and forms with their weights, how it talks, and what its origin promised (rule: least hit rate)."""
    name: str
    pages: dict
    forms: dict
    driver: str                 # psycopg2: values in the text; psycopg: parameters and named statements
    transactions: bool          # reads in transactions, as SQLAlchemy does
    hits: dict
    hit_rate: float             # of all its reads that a rule admits
    p95_factor: float           # of what it was without the cache


# Weights of writes: 0.4 % of the requests of desk make about the misses that its origin counted (156 to 2,341 hits) when each write
# drops the lists of ten users. freight and support, which promised as much and told no counts, are given the same share; shop and
# reports, which promised less, 1.5 % and 1.3 %. So the rows of hit rates are about this mixture, not about the origins' own.
SYSTEMS = [
    System("desk",
           {desk_connections: 60, desk_all_connections: 10, desk_role: 50, desk_all_users: 5, desk_groups: 40, desk_permissions: 40},
           {desk_save_connection: 0.2, desk_create_connection: 0.1, desk_delete_connection: 0.1, desk_grant: 0.2, desk_write_user: 0.1,
            desk_write_group: 0.1},
           "psycopg2", False, {"connections": 0.85, "users": 0.90, "groups": 0.95, "permissions": 0.80}, 0.9375, 0.6),
    System("shop",
           {shop_dashboard: 12, shop_customer: 70, shop_rankings: 6, shop_settlements: 32},
           {shop_order: 0.8, shop_pay: 0.5, shop_settle: 0.5},
           "psycopg2", True, {"dashboard": 0.70, "customer": 0.70, "rankings": 0.70, "settlements": 0.70}, 0.70, 0.6),
    System("freight",
           {freight_dashboard: 20, freight_billing: 50, freight_shipments: 30, freight_deliveries: 40},
           {freight_deliver: 0.26, freight_bill: 0.17, freight_load: 0.13},
           "psycopg2", True, {"billing": 0.85, "deliveries": 0.85, "shipments": 0.85, "dashboards": 0.85}, 0.85, 50 / 95),
    System("support",
           {support_inbox: 40, support_ticket: 40, support_article: 50, support_search: 20, support_dashboard: 10},
           {support_answer: 0.32, support_close: 0.16, support_edit: 0.16},
           "psycopg", False, {"knowledge": 0.85, "tickets": 0.85}, 0.85, 0.6),
    System("reports",
           {reports_figures: 50, reports_revenue: 30, reports_sales: 15, reports_operations: 5},
           {reports_note: 1, reports_roll_up: 0.3},
           "psycopg2", True, {"figures": 0.85, "revenue": 0.85, "sales": 0.70}, 0.80, 0.6),
]
