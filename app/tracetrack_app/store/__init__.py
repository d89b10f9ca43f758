"""PostgreSQL and Redis: migrations, statements, the writer, sessions' shared state."""
