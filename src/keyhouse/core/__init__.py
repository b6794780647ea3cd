"""What every feature stands on: errors, clock, actor, actions, configuration, keys. No Django."""
