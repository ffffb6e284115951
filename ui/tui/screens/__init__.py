"""The screens and panels of the full-screen face."""
