"""netlab in Wireshark: a dissector for its packets, and interfaces that are simulations and testbeds."""
