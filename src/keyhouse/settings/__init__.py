"""Django settings, derived from the one typed configuration in `core.configuration`."""
