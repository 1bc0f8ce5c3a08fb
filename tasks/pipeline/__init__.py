"""The file -> graph -> fused stages: what a pipeline says, checked whole before anything runs."""
