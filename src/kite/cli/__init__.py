"""The command line: `kite VERB`. One file per verb, imported only when it is used."""
