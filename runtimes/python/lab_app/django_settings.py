"""Django's settings, by Django's names for them. There is nothing to sign, and without a
database nothing to store or to template: what is left out is not used."""

from urllib.parse import urlsplit

from lab_app import shop
from lab_app.orders import MAX_BODY_BYTES
from lab_app.settings import DATABASE_URL

DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "lab_app.django_shop" if DATABASE_URL else "lab_app.django_app"
# Django runs its own in a thread, twice for each request, where views are async.
MIDDLEWARE = ["lab_app.django_app.Settled"]
USE_I18N = False
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES

if DATABASE_URL:
    _url = urlsplit(DATABASE_URL)
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": _url.path.removeprefix("/"),
            "USER": _url.username,
            "PASSWORD": _url.password,
            "HOST": _url.hostname,
            "PORT": _url.port,
            # Under ASGI Django's documentation advises against persistent connections, and names
            # the pool of the database's driver for it.
            "OPTIONS": {"pool": {"min_size": shop.POOL_SIZE, "max_size": shop.POOL_SIZE}},
        }
    }
    TEMPLATES = [
        {"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [shop.TEMPLATES]}
    ]
