"""Delivery of an audit's cells to worker processes: Celery carries two ids, the database holds everything else."""
