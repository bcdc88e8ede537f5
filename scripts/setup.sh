# Sourced by demo.sh, test.sh and .ci/run: from a fresh machine to an installed package.
#
#   setup_python            find Python >= 3.11, make .venv if there is none; sets PYTHON
#   setup_system            install the libraries that napari needs, where apt and rights allow
#   setup_package EXTRAS    install this checkout with the extras, unless that was done before
#
# Variables a user may set: PYTHON_BASE (interpreter for a new .venv), VENV (where it goes).

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
VENV="${VENV:-$ROOT/.venv}"

say() { printf '\n== %s\n' "$*" >&2; }
fail() { printf '\nerror: %s\n' "$*" >&2; exit 1; }

# The newest versions of Python come last: not every dependency has wheels for them at once.
find_python() {
    local candidate
    for candidate in ${PYTHON_BASE:-} python3 python python3.12 python3.13 python3.11 python3.14; do
        if command -v "$candidate" >/dev/null 2>&1 &&
            "$candidate" -c 'import sys; raise SystemExit(not (3, 11) <= sys.version_info[:2] < (3, 14))' >/dev/null 2>&1
        then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}

# Run apt as root, or through sudo where that asks no password.
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null 2>&1; then sudo -n "$@"; else return 1; fi
}

apt_install() {
    command -v apt-get >/dev/null 2>&1 || return 1
    as_root true 2>/dev/null || return 1
    say "installing $* with apt"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq >/dev/null || true
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

venv_python() {
    if [ -x "$VENV/bin/python" ]; then echo "$VENV/bin/python"
    elif [ -x "$VENV/Scripts/python.exe" ]; then echo "$VENV/Scripts/python.exe"
    else return 1; fi
}

setup_python() {
    local base
    if ! PYTHON="$(venv_python)"; then
        if ! base="$(find_python)"; then
            apt_install python3 python3-venv || true
            base="$(find_python)" || fail "expected Python 3.11 to 3.13, found none; install one from python.org or set PYTHON_BASE"
        fi
        say "making $VENV with $("$base" --version)"
        if ! "$base" -m venv "$VENV" 2>/dev/null; then
            rm -rf "$VENV"
            apt_install python3-venv || true
            "$base" -m venv "$VENV" || { rm -rf "$VENV"; fail "$base cannot make virtual environments; install its venv module"; }
        fi
        PYTHON="$(venv_python)"
    fi
    "$PYTHON" -m pip --version >/dev/null 2>&1 || "$PYTHON" -m ensurepip --upgrade >/dev/null
    PATH="$(dirname "$PYTHON"):$PATH"
    export PATH PYTHON
}

# package:shared library (or command) it brings
SYSTEM_NEEDS="
    xvfb:Xvfb libgl1:libGL.so.1 libegl1:libEGL.so.1 libopengl0:libOpenGL.so.0 libdbus-1-3:libdbus-1.so.3
    libfontconfig1:libfontconfig.so.1 libglib2.0-0:libglib-2.0.so.0 libxkbcommon-x11-0:libxkbcommon-x11.so.0
    libxcb-cursor0:libxcb-cursor.so.0 libxcb-icccm4:libxcb-icccm.so.4 libxcb-image0:libxcb-image.so.0
    libxcb-keysyms1:libxcb-keysyms.so.1 libxcb-render-util0:libxcb-render-util.so.0
    libxcb-xinerama0:libxcb-xinerama.so.0 libxcb-shape0:libxcb-shape.so.0
"

setup_system() {
    [ "$(uname -s)" = Linux ] || return 0
    local need missing=() libraries
    libraries="$(PATH="$PATH:/sbin:/usr/sbin" ldconfig -p 2>/dev/null || true)"
    for need in $SYSTEM_NEEDS; do
        case "${need#*:}" in
            Xvfb) command -v Xvfb >/dev/null 2>&1 || missing+=("${need%%:*}") ;;
            *) grep -qF "${need#*:} " <<<"$libraries" || missing+=("${need%%:*}") ;;
        esac
    done
    [ ${#missing[@]} = 0 ] && return 0
    apt_install "${missing[@]}" && return 0
    # one name that a release does not have must not keep the others away
    local package failed=()
    for package in "${missing[@]}"; do
        apt_install "$package" 2>/dev/null || failed+=("$package")
    done
    [ ${#failed[@]} = 0 ] ||
        say "not found and not installable from here: ${failed[*]}; without them windows may not open"
}

setup_package() {
    local extras="$1" stamp wanted
    # one stamp per set of extras: installing one takes nothing away from another
    stamp="$VENV/.installed-napari-construct-${extras//,/-}"
    wanted="$ROOT $(cksum <"$ROOT/pyproject.toml")"
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && "$PYTHON" -c 'import napari_construct' 2>/dev/null; then
        return 0
    fi
    say "installing napari-construct[$extras] into $VENV (a first time this downloads some GB)"
    "$PYTHON" -m pip install --quiet --disable-pip-version-check --progress-bar off -e "$ROOT[$extras]" ||
        fail "the installation failed; the lines above say why"
    printf '%s' "$wanted" >"$stamp"
}

# The reference backend of the dense CRF is built from source: wanted, not needed.
setup_pydensecrf() {
    "$PYTHON" -c 'import pydensecrf' 2>/dev/null && return 0
    command -v cc >/dev/null 2>&1 || apt_install build-essential || true
    say "building pydensecrf"
    "$PYTHON" -m pip install --quiet --disable-pip-version-check --progress-bar off pydensecrf2==1.1 ||
        say "pydensecrf could not be built; its tests will say that they are skipped"
}
