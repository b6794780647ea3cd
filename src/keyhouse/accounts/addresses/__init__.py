"""E-mail addresses of people: added, verified, made primary, removed, put back; and whether their domains are still there."""
