"""The process's way to the network: its HTTP client, the hosts it may ask, what is kept."""
