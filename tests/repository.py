"""Where the tests run: the checkout, the command `nem2e`, the folder of real recordings, and
beside it small files in the layouts of the field's programs."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NEM2E = Path(sys.executable).with_name("nem2e")
DATA = Path(os.environ.get("NEM2E_DATA") or ROOT.parent / "shared" / "data")
FIELD = DATA.parent / "field"
