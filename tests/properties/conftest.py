"""How hypothesis draws in this suite: the same few cases each time, without a time limit."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "suite",
    max_examples=40,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("suite")
