"""What is told with all the rest: so far the demo's story. Read `demo_chat`, then `demo_story`."""
