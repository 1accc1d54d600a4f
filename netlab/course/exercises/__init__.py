"""The exercises, one a file: what is to be written, the cases it is tried on, and what has to hold."""
