"""Security keys and passkeys (WebAuthn Level 3)."""
