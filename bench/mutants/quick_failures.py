"""A pytest plugin for runs that only ask whether a test fails: properties report their first counterexample."""

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "mutants",
    phases=(Phase.explicit, Phase.generate),
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("mutants")
