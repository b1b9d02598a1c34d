"""What the tests of the workers share."""

from tests.workers.desk import desk as desk
