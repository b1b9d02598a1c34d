"""Pure decisions: the schedule, the routing of a slice, the choice of a quote, whether a plan can be done at all."""
