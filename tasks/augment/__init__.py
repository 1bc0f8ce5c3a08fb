"""Random geometry, intensity, noise and erasing, and the composers that arrange them."""
