"""What Quorate runs on: adapters for the ports, configuration, wiring and the command line."""
