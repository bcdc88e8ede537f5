"""One report of scores in three forms: JSON, Markdown and HTML."""
