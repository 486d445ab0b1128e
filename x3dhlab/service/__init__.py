"""The prekey service: what a server stores and hands out. It never holds a private key."""
