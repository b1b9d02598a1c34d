"""The report's page: template and style."""
