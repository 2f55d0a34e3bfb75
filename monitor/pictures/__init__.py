"""Pictures as pure geometry: values in, shapes and their tables out.

Templates draw them and style sheets color them.
"""
