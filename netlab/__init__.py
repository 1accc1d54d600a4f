"""netlab: a teaching lab for TCP and UDP. Start with `netlab demo`, or with `netlab.connect` and `netlab.serve`."""
