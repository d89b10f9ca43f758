"""One pure builder per child object of the application."""
