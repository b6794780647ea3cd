"""The read plane: what installers get. Rendered when something changes, never when somebody reads. No Django."""
