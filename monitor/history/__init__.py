"""The past of a list: simulated polling of files from a manifest. Nothing here sends."""
