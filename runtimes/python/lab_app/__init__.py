"""The Python application of Runtime Lab: raw ASGI on uvicorn."""
