"""Patches to be labelled by a person: cut, chosen, ordered, labelled, and written as training reads them."""
