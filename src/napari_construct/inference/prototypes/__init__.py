"""What prototypes see: similarity maps, top patches, and prototypes that a person places."""
