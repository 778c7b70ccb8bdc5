"""A browser for the tests of the status page: Debian's Chromium and all that it needs, unpacked and not installed.

It is the one without a screen, which needs no desktop: some 110 MB to fetch, once, and 320 MB unpacked.
"""

import shutil
from pathlib import Path

from scripts import debian
from scripts.step import CACHE, StepError, say

PROGRAM = CACHE / "chromium" / "chromium"
"""What starts it; whoever has another one links it there."""

PACKAGE = "chromium-headless-shell"
THERE = ("libc6", "libgcc-s1", "debconf", "sysvinit-utils", "x11-utils", "xdg-utils")
"""What is not fetched although it is depended on: every Debian has the first ones, and a second C library beside the
loader of the first breaks; the last ones are for desktops, and bring Mesa and LLVM with them."""


def ensure() -> None:
    """Have it in `.cache/chromium`; an installed one serves where Debian cannot be reached.

    Raises:
        StepError: it cannot be had.
    """
    if PROGRAM.exists():
        return
    say("fetching Chromium and its libraries from Debian into .cache/chromium (110 MB)")
    folder = PROGRAM.with_name("unpacked")
    try:
        debian.fetch_whole(folder, PACKAGE, THERE)
    except StepError as error:
        installed = shutil.which(PACKAGE) or shutil.which("chromium")
        if not installed:
            raise StepError(f"the tests need Chromium; go online, or install it: {error}") from None
        say(f"taking {installed} instead")
        PROGRAM.parent.mkdir(parents=True, exist_ok=True)
        PROGRAM.symlink_to(installed)
        return
    _write_launcher(folder)


def _write_launcher(folder: Path) -> None:
    fonts = folder / "fonts.conf"
    fonts.write_text(fonts_of(folder))
    fresh = PROGRAM.with_suffix(".new")
    fresh.write_text(launcher(folder, fonts))
    fresh.chmod(0o755)
    fresh.replace(PROGRAM)  # last, so that an interrupted set-up is begun anew


def launcher(folder: Path, fonts: Path) -> str:
    """The script that starts it with its own libraries and fonts."""
    found = {library.parent for library in folder.glob("**/lib/**/*.so*") if "chromium" not in library.parts[-2]}
    libraries = ":".join(str(place) for place in sorted(found))
    return (
        "#!/bin/sh\n"
        f"export LD_LIBRARY_PATH='{libraries}' FONTCONFIG_FILE='{fonts}'\n"
        f"exec '{folder}/usr/lib/chromium/{PACKAGE}' \"$@\"\n"
    )


def fonts_of(folder: Path) -> str:
    """The configuration by which it finds its own fonts and no others, so that pages look the same everywhere."""
    families = {"sans-serif": "DejaVu Sans", "system-ui": "DejaVu Sans", "monospace": "DejaVu Sans Mono"}
    aliases = "".join(
        f"<alias><family>{name}</family><prefer><family>{family}</family></prefer></alias>"
        for name, family in families.items()
    )
    return (
        '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">\n'
        f"<fontconfig><dir>{folder}/usr/share/fonts</dir><cachedir>{folder}/fonts.cache</cachedir>{aliases}</fontconfig>\n"
    )
