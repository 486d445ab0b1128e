"""Attacks that run. Each says its catalogue number, what the attacker has, and who notices."""
