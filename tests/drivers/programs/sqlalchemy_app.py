"""SQLAlchemy and Alembic against the database URI of the first argument: migrations up and down, then ORM work of many threads
through its own pool. Ends with a traceback when something is off."""

import sys
from concurrent.futures import ThreadPoolExecutor

from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Column, ForeignKey, Integer, Numeric, String, create_engine, func, inspect, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, declarative_base, relationship

clients = int(sys.argv[2])
engine = create_engine(sys.argv[1].replace("postgresql://", "postgresql+psycopg2://"), pool_size=clients, max_overflow=0,
                       pool_pre_ping=True)
base = declarative_base()


class Customer(base):
    __tablename__ = "sa_customers"
    id = Column(Integer, primary_key=True)
    name = Column(String(50), unique=True, nullable=False)
    orders = relationship("Order", back_populates="customer", cascade="all, delete-orphan")


class Order(base):
    __tablename__ = "sa_orders"
    id = Column(Integer, primary_key=True)
    customer_id = Column(ForeignKey("sa_customers.id"), nullable=False)
    total = Column(Numeric(10, 2), nullable=False)
    customer = relationship("Customer", back_populates="orders")


def migrate():
    base.metadata.create_all(engine)
    with engine.begin() as connection:
        operations = Operations(MigrationContext.configure(connection))
        operations.add_column("sa_orders", Column("note", String(20)))
        operations.create_index("sa_orders_note", "sa_orders", ["note"])
    assert "note" in [column["name"] for column in inspect(engine).get_columns("sa_orders")]
    with engine.begin() as connection:
        operations = Operations(MigrationContext.configure(connection))
        operations.drop_index("sa_orders_note", "sa_orders")
        operations.drop_column("sa_orders", "note")


def work(number):
    with Session(engine) as session:
        customer = Customer(name=f"customer {number}", orders=[Order(total=n) for n in range(10)])
        session.add(customer)
        session.commit()
        assert len(customer.orders) == 10
    with Session(engine) as session:
        session.add(Customer(name=f"customer {number}"))
        try:
            session.commit()
        except IntegrityError:
            session.rollback()
        else:
            raise AssertionError("the name was taken")
        with session.begin_nested() as savepoint:
            session.add(Customer(name=f"gone {number}"))
            session.flush()
            savepoint.rollback()
        customer = session.execute(select(Customer).where(Customer.name == f"customer {number}")).scalar_one()
        total = session.execute(select(func.sum(Order.total)).where(Order.customer_id == customer.id)).scalar_one()
        assert total == 45, total
        session.delete(customer.orders[0])
        session.commit()
    for level in ("SERIALIZABLE", "AUTOCOMMIT"):
        with engine.connect().execution_options(isolation_level=level) as connection:
            rows = connection.execute(select(Order.id).join(Customer).where(Customer.name == f"customer {number}")).all()
            assert len(rows) == 9, (level, len(rows))


migrate()
with ThreadPoolExecutor(clients) as threads:
    list(threads.map(work, range(clients)))
with Session(engine) as session:
    assert session.query(Customer).count() == clients
base.metadata.drop_all(engine)
