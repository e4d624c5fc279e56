"""A Django application against the database URI of the first argument: the migrations of Django's own applications, then
ORM work of many threads at once, each with a connection of its own. Ends with a traceback when something is off."""

import sys
import threading
from urllib.parse import urlsplit

import django
from django.conf import settings

uri = urlsplit(sys.argv[1])
clients = int(sys.argv[2])
settings.configure(
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": uri.path[1:],
            "HOST": uri.hostname,
            "PORT": uri.port,
            "USER": uri.username,
            "CONN_MAX_AGE": None,
            # Server-side cursors of Django live outside transactions only WITH HOLD; with them a queryset pins its server.
            "DISABLE_SERVER_SIDE_CURSORS": False,
        }
    },
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    TIME_ZONE="Europe/Berlin",
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
)
django.setup()

from django.contrib.auth.models import Group, User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import IntegrityError, connection, transaction  # noqa: E402
from django.db.models import Count, F  # noqa: E402


def work(number):
    group = Group.objects.create(name=f"group {number}")
    for n in range(5):
        user = User.objects.create(username=f"user {number}.{n}", email=f"{n}@example.org")
        user.groups.add(group)
    assert User.objects.filter(groups=group).count() == 5
    try:
        with transaction.atomic():
            User.objects.filter(groups=group).update(first_name="gone")
            with transaction.atomic():
                User.objects.create(username=f"user {number}.0")
    except IntegrityError:
        pass
    else:
        raise AssertionError("the name was taken")
    assert not User.objects.filter(groups=group, first_name="gone").exists()
    with transaction.atomic():
        user = User.objects.select_for_update().get(username=f"user {number}.1")
        user.last_name = "changed"
        user.save()
        User.objects.filter(username=f"user {number}.2").update(first_name=F("username"))
    assert User.objects.get(username=f"user {number}.2").first_name == f"user {number}.2"
    assert len(list(User.objects.filter(groups=group).iterator(chunk_size=2))) == 5
    counted = Group.objects.filter(name=group.name).annotate(members=Count("user")).get()
    assert counted.members == 5
    with connection.cursor() as cursor:
        cursor.execute("SHOW timezone")
        assert cursor.fetchone()[0] == "UTC", "Django's own setting of the connection"
    User.objects.filter(username=f"user {number}.4").delete()
    assert User.objects.filter(groups=group).count() == 4


def guarded(number):
    try:
        work(number)
    except BaseException as error:  # noqa: B902 - told by the main thread
        failures.append((number, error))
    finally:
        connection.close()


call_command("migrate", verbosity=0)
failures = []
threads = [threading.Thread(target=guarded, args=(n,)) for n in range(clients)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
if failures:
    raise AssertionError(f"{len(failures)} of {clients} clients failed, the first: {failures[0]}") from failures[0][1]
assert User.objects.count() == 4 * clients
call_command("migrate", "auth", "zero", verbosity=0)
