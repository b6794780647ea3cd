import pytest

from keyhouse.distfiles.platforms import find_refused


@pytest.mark.parametrize(
    "tag",
    [
        "any",
        "win32",
        "win_amd64",
        "win_arm64",
        "manylinux1_x86_64",
        "manylinux2010_i686",
        "manylinux2014_s390x",
        "linux_armv6l",
        "linux_armv7l",
        "manylinux_2_17_x86_64",
        "manylinux_2_28_aarch64",
        "manylinux_2_39_riscv64",
        "manylinux_2_17_ppc64",
        "musllinux_1_2_x86_64",
        "macosx_10_9_x86_64",
        "macosx_11_0_arm64",
        "macosx_26_0_universal2",
        "ios_13_0_arm64_iphoneos",
        "ios_13_0_x86_64_iphonesimulator",
        "android_21_arm64_v8a",
        "pyemscripten_2025_0_wasm32",
    ],
)
def test_platforms_of_public_wheels_are_taken(tag: str) -> None:
    assert find_refused([tag], allows_linux=False) is None


@pytest.mark.parametrize(
    "tag",
    [
        "linux_x86_64",
        "linux_aarch64",
        "manylinux_2_17_mips",
        "manylinux2014_riscv64",
        "musllinux_1_2_ppc64",
        "macosx_11_1_arm64",
        "macosx_x_y_arm64",
        "win_x64",
        "ios_13_0_arm64",
        "android_arm64_v8a",
        "freebsd_14_0_x86_64",
        "any2",
        "manylinux_2_17",
    ],
)
def test_other_platforms_are_refused(tag: str) -> None:
    assert find_refused(["any", tag], allows_linux=False) == tag


def test_an_internal_index_takes_plain_linux_and_nothing_else_more() -> None:
    assert find_refused(["linux_x86_64", "linux_riscv64"], allows_linux=True) is None
    assert find_refused(["win_x64"], allows_linux=True) == "win_x64"
