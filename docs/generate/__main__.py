"""Write the generated files, and their names."""

import sys

from docs.generate import ROOT, files

for file, text in files():
    file.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{file.relative_to(ROOT)}\n")
