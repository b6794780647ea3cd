"""Read and judge one wheel or source distribution: pure functions of a file, no database."""
