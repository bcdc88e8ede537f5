"""Many images, one after the other, with a ledger on disk: what is done stays done."""
