"""How the browser of the tests is started: with its own libraries and fonts, wherever it was unpacked."""

from pathlib import Path

from scripts import chromium


def test_it_is_started_with_the_libraries_that_were_unpacked_with_it(tmp_path: Path) -> None:
    for name in ("usr/lib/x/libnss3.so", "usr/lib/x/pulse/libp-16.1.so.0", "usr/lib/chromium/libEGL.so"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    script = chromium.launcher(tmp_path, tmp_path / "fonts.conf")

    assert script.startswith("#!/bin/sh\n")
    assert f"LD_LIBRARY_PATH='{tmp_path}/usr/lib/x:{tmp_path}/usr/lib/x/pulse'" in script
    assert f"FONTCONFIG_FILE='{tmp_path}/fonts.conf'" in script
    assert script.endswith(f"exec '{tmp_path}/usr/lib/chromium/{chromium.PACKAGE}' \"$@\"\n")


def test_it_has_no_fonts_but_its_own(tmp_path: Path) -> None:
    fonts = chromium.fonts_of(tmp_path)

    assert fonts.count("<dir>") == 1
    assert f"<dir>{tmp_path}/usr/share/fonts</dir>" in fonts
    assert "include" not in fonts
