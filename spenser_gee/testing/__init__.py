"""Contracts as tests, for strategies, executors, data sets and kinds of fitness of one's own.

Each is a class whose fixtures a subclass overrides; pytest then runs its tests on what the fixtures give:

    from spenser_gee.testing.strategy import StrategyContract

    class TestMine(StrategyContract):
        @pytest.fixture
        def make(self):
            return lambda frame: Mine(frame.space, frame.seed, frame.offspring)

pytest is imported here only, and the package itself imports nothing: workers find `evaluate_factories` in it.
"""
