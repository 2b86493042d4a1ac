"""Train: labelled scenes to a network that says how good it is.

``settings`` what a job's YAML says · ``data`` scenes with labels, counted, digested · ``splits`` by place · ``checking`` before
training · ``sampling`` crops on the fly · ``augment`` them · ``fitting`` losses and the loop · ``scoring`` maps against labels ·
``trial`` all of it on one split · ``summary`` what the card says · ``synth`` land that never was.
"""
