"""The parts that every way of computing shares: parameters, checks, threads, progress."""
