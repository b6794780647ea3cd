"""Short-lived identity from CI (OpenID Connect): who may publish without any stored secret."""
