"""The Python application of Runtime Lab.

One application, served in three ways: raw ASGI (asgi), FastAPI (fastapi_app)
and Flask (flask_app). What they answer is decided in the modules that all
three share; server and gunicorn_config start them. A module of one way imports
libraries that the others need not have.
"""
