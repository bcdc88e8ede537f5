"""Many images, one after another; a ledger on disk lets a run resume."""
