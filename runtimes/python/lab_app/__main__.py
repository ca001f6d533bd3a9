"""python -m lab_app: the application on uvicorn."""

from lab_app.server import main

# Worker processes that are spawned import this module too.
if __name__ == "__main__":
    main()
