"""django-otp's e-mail device over SQLite, to be measured: its rows are synced, as those of libotp are.

Arguments: a database that does not exist, and how many operations of each kind. Prints a line for each kind: its name
and the nanoseconds of each operation.
"""

import sys
import time
from typing import Callable, List

import django
from django.conf import settings

DATABASE, COUNT = sys.argv[1], int(sys.argv[2])

settings.configure(
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": DATABASE,
            "OPTIONS": {"init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"},
        }
    },
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django_otp",
        "django_otp.plugins.otp_email",
    ],
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    SECRET_KEY="a key for measurements",
    USE_TZ=True,
)
django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django_otp.plugins.otp_email.models import EmailDevice  # noqa: E402


def device(name: str) -> EmailDevice:
    return EmailDevice.objects.get(user__username=name)


def measure(name: str, work: Callable[[int], None]) -> None:
    times: List[str] = []
    for item in range(COUNT):
        begun = time.perf_counter_ns()
        work(item)
        times.append(str(time.perf_counter_ns() - begun))
    print(name, *times)


def create(item: int) -> None:
    device(f"user{item}").generate_token()


def verify(item: int) -> None:
    assert device(f"user{item}").verify_token(codes[item])


def wrong(item: int) -> None:
    assert not device(f"user{item}").verify_token("wrong")


def unknown(item: int) -> None:
    assert EmailDevice.objects.filter(user__username=f"nobody{item}").first() is None


call_command("migrate", verbosity=0)
users = User.objects.bulk_create([User(username=f"user{item}") for item in range(COUNT)])
EmailDevice.objects.bulk_create([EmailDevice(user=user, name="email", email="a@example.com") for user in users])
measure("create", create)
codes = [device(f"user{item}").token for item in range(COUNT)]
measure("verify", verify)
measure("wrong", wrong)
measure("unknown", unknown)
