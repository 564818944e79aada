"""Makes `evaluate_factories` importable here and, through sys.path, in the workers."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
