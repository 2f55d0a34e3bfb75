"""Peers of the program that speak the real protocols on loopback."""
