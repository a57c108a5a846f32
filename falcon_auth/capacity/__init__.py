"""Capacity planning: what a given number of users needs, from what one machine was measured at."""
