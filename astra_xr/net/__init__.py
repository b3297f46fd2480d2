"""HTTP of this process: clients, allowed hosts, connections, retries and caches."""
