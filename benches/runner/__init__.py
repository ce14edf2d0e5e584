"""The side-by-side runner: see benches/README.md."""
