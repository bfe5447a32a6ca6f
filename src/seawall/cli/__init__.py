"""The command line: options in, one operation of the API or of this machine, words or JSON out."""
