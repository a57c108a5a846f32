"""What operators see: logs, metrics, and the events that feed both."""
