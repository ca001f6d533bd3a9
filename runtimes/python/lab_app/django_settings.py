"""Django's settings, by Django's names for them. There is nothing to template, to
store or to sign: what is left out is not used."""

from lab_app.orders import MAX_BODY_BYTES

DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "lab_app.django_app"
# Django runs its own in a thread, twice for each request, where views are async.
MIDDLEWARE = ["lab_app.django_app.Settled"]
USE_I18N = False
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES
