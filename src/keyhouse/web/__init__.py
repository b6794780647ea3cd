"""The site: addresses, middleware, error pages, base templates, static files, and the ASGI callable that joins all."""
