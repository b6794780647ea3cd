"""What organizations ask of their own people: declared, loosened, looked at."""
