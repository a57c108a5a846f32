"""Capacity planning: the resources for a number of users, from measurements of one machine."""
