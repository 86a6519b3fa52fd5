"""The engine of this project as a worker of the comparison."""
