"""Recovery codes: saved on paper, used once each (NIST SP 800-63B-4 3.1.2, 4.2.1.1)."""
