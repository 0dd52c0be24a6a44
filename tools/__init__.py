"""Tools of the repository: building the book, running and checking the notebooks. Not part of the package."""
