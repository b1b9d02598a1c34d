"""What the operator decides: settings, logging, venue profiles. Importing the package costs nothing."""
