"""napari's dock widgets: thin front ends over the headless rooms; one file a widget."""
