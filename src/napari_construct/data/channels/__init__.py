"""Images whose channels are stains or markers, not colours."""
