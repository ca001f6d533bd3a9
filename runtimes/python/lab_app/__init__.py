"""The Python application of Runtime Lab.

One application, served in four ways: raw ASGI (asgi), FastAPI (fastapi_app),
Django (django_app) and Flask (flask_app). What they answer is decided in the
modules that all share; server, granian_server and gunicorn_config start them. A
module of one way imports libraries that the others need not have.
"""
