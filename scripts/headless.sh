#!/usr/bin/env bash
# Prove that everything but the widgets works without napari, Qt and magicgui:
#   scripts/headless.sh WHEEL [arguments for pytest]
#
# The environment is a copy of .venv made of hard links, so it costs seconds and no second download;
# from it napari, Qt and all that draws on them are really uninstalled, and the wheel is installed
# instead of the checkout. tox -e headless does the same from nothing.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
cd "$ROOT"
setup_python

WHEEL="$1"
shift
COPY="$ROOT/.tox/headless-linked"
GUI="app-model PyQt5 PyQt5-Qt5 PyQt5-sip PyQt6 PyQt6-Qt6 PyQt6-sip PySide2 PySide6 PySide6-Essentials PySide6-Addons
     shiboken6 qtpy superqt magicgui pyqtgraph vispy qtconsole pytest-qt pytest-xvfb"

say "copying $VENV by hard links, without napari and Qt"
rm -rf "$COPY"
"$PYTHON" -m venv --without-pip "$COPY"
packages() { "$1" -c 'import sysconfig; print(sysconfig.get_path("purelib"))'; }
FROM="$(packages "$PYTHON")"
BARE="$COPY/bin/python"
cp -al "$FROM/." "$(packages "$BARE")/" 2>/dev/null || cp -a "$FROM/." "$(packages "$BARE")/"
# napari, its parts and its plugins, napari-construct itself among them
NAPARI="$("$BARE" -c 'from importlib.metadata import distributions as found
print(*{d.name for d in found() if d.name.lower().startswith("napari")})')"
# shellcheck disable=SC2086
"$BARE" -m pip uninstall --quiet --disable-pip-version-check -y $GUI $NAPARI 2>&1 | grep -v "not installed" || true
# compiled files that no package owns would keep empty packages importable
for name in napari PyQt5 PyQt6 PySide2 PySide6 qtpy superqt magicgui pyqtgraph vispy app_model; do
    rm -rf "$(packages "$BARE")/$name"
done
"$BARE" -m pip install --quiet --disable-pip-version-check --no-deps --no-index "$WHEEL"

say "importing everything but the widgets"
# from another folder, so that nothing of the checkout can be imported by accident
(cd / && "$BARE" "$ROOT/scripts/check_headless.py" "$COPY")

# one process with all its threads, as a user has it, where scripts/test.sh has several with one
say "tests without napari and Qt"
"$BARE" -m pytest --ignore=tests/widgets -m "not gui" -p no:cacheprovider "$@"
rm -rf "$COPY"
