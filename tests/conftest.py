"""What holds for every test: no property is judged by how long an example took."""

from hypothesis import settings

settings.register_profile("house", deadline=None)
settings.load_profile("house")
