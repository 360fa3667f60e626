"""Other tools' formats and services; each is imported only when it is asked for."""
