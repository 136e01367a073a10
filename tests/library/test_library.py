"""core/ as others use it: installed into a prefix, found by CMake, linked, and run.

Installed is the build under test, as it is; the example is compiled by the plain compiler with no
flags of ours.
"""

from __future__ import annotations

import json
import pathlib
import re
import subprocess
import tarfile

import pytest

import base_image
import go_tools
from servers import Registry
from world import ROOT, binary, run

BUILD_DEADLINE_S = 10 * 60
EXAMPLE = ROOT / "examples" / "library"
SITE = {"index.html": "<h1>hello</h1>\n", "css/site.css": "h1 { color: teal }\n"}

# What the pieces of code in docs/library.md take for granted.
PIECES_HEAD = """
#include "core/auth/docker_config.h"
#include "core/base/file.h"
#include "core/build/builder.h"
#include "core/build/pusher.h"
#include "core/source/inline_source.h"
#include "core/store/oci_layout.h"
using namespace kiln;
"""
PIECES_GIVEN = ("std::shared_ptr<build::BuildRequest> request, std::filesystem::path home, WorkPool& pool, "
                "std::shared_ptr<const image::ImageSet> images, registry::Client& registry, "
                "build::AccessTo base_access")


def call(*words: str | pathlib.Path) -> subprocess.CompletedProcess:
    """A compiler or CMake, which may take longer than `run` allows."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=BUILD_DEADLINE_S)
    assert done.returncode == 0, f"{words}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done


def install(prefix: pathlib.Path, *flags: str) -> pathlib.Path:
    build = pathlib.Path(binary("kiln-controller")).parents[1]
    call("cmake", "--install", build, "--prefix", prefix, *flags)
    return prefix


def build_with(prefix: pathlib.Path, source: pathlib.Path, build: pathlib.Path) -> pathlib.Path:
    call("cmake", "-S", source, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}", "-G", "Unix Makefiles",
         "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON")
    call("cmake", "--build", build)
    return build


def files_of(folder: pathlib.Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def prefix(tmp_path_factory) -> pathlib.Path:
    """The development files, in another place than they were installed in."""
    folder = tmp_path_factory.mktemp("library")
    return install(folder / "first", "--component", "development").rename(folder / "moved")


@pytest.fixture(scope="module")
def publish_site(prefix, tmp_path_factory) -> pathlib.Path:
    """The example, built outside the checkout."""
    return build_with(prefix, EXAMPLE, tmp_path_factory.mktemp("example")) / "publish_site"


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    folder = tmp_path_factory.mktemp("registry")
    for name in ("logs", "run"):
        (folder / name).mkdir()
    registry = Registry("registry", go_tools.ensure("registry")["registry"], folder)
    registry.configure(users=None, tls=False, storage=None, settings=None)
    registry.start()
    base_image.push(f"{registry.address}/library/nginx:1.27")
    yield registry
    registry.kill()


@pytest.fixture
def site(tmp_path) -> pathlib.Path:
    folder = tmp_path / "site"
    for name, text in SITE.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


# --- What is installed ---

def test_programs_and_library_are_two_components(prefix, tmp_path):
    programs = install(tmp_path / "programs", "--component", "runtime")
    assert files_of(programs) == ["bin/kiln", "bin/kiln-controller", "share/doc/kiln/LICENSE"]
    assert run(str(programs / "bin" / "kiln"), "version").stdout.startswith("kiln ")
    assert not [name for name in files_of(prefix) if name.startswith("bin/")]


def test_nothing_installed_names_the_checkout_or_the_prefix(prefix):
    for name in files_of(prefix):
        data = (prefix / name).read_bytes()
        for path in (ROOT, prefix, prefix.parent / "first"):
            assert str(path).encode() not in data, name


def test_users_get_the_flags_they_need_and_none_of_ours(publish_site, prefix):
    commands = json.loads((publish_site.parent / "compile_commands.json").read_text())
    flags = set(re.findall(r" -(?!o |c )\S+(?:(?<=isystem) \S+)?", commands[0]["command"]))
    assert flags == {" -DBOOST_ASIO_NO_DEPRECATED", " -DBOOST_ASIO_SEPARATE_COMPILATION",
                     " -DBOOST_BEAST_SEPARATE_COMPILATION", " -std=gnu++20",
                     f" -isystem {prefix}/include/kiln"}
    link = (publish_site.parent / "CMakeFiles/publish_site.dir/link.txt").read_text()
    assert not re.search(r" -(?!o |rdynamic)[^l]", link), link


def test_headers_need_nothing_but_each_other_boost_and_the_standard_library(prefix):
    headers = prefix / "include" / "kiln"
    installed = set(files_of(headers))
    assert "core/build/builder.h" in installed
    assert not installed & {"core/base/json.h", "core/oci/manifest_json.h"}  # PRIVATE_HEADERS
    for name in installed:
        for kind, used in re.findall(r'^#include (["<])([^">]+)', (headers / name).read_text(), re.M):
            fine = (used in installed) if kind == '"' else (
                not set("/.") & set(used) or used.startswith(("boost/asio/", "boost/system/", "sys/")))
            assert fine, f"{name} includes {used}"


def test_all_headers_compile_at_once_with_warnings_on(prefix, tmp_path):
    source = tmp_path / "all.cc"
    headers = files_of(prefix / "include" / "kiln")
    source.write_text("".join(f'#include "{name}"\n' for name in headers) + "int main() {}\n")
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.25)\nproject(headers LANGUAGES CXX)\n"
        "find_package(kiln REQUIRED)\nadd_executable(headers all.cc)\n"
        "target_link_libraries(headers PRIVATE kiln::core)\n"
        "target_compile_options(headers PRIVATE -Wall -Wextra -Werror)\n")
    build_with(prefix, tmp_path, tmp_path / "build")


def test_the_manual_shows_code_that_compiles_and_headers_that_are_there(prefix, tmp_path):
    manual = (ROOT / "docs" / "library.md").read_text()
    table = manual.partition("## Front doors")[2].partition("## Rules")[0]
    folder = ""
    for name in re.findall(r"`([\w/]+\.h)`", table):
        folder = name.rpartition("/")[0] or folder
        assert (prefix / "include" / "kiln" / folder / name.rpartition("/")[2]).exists(), name

    pieces = re.findall(r"```cpp\n(.*?)```", manual, re.S)
    assert len(pieces) == 3
    (tmp_path / "pieces.cc").write_text(PIECES_HEAD + "".join(
        f"Task<Result<void>> piece_{number}({PIECES_GIVEN}) {{\n{piece}co_return Result<void>();\n}}\n"
        for number, piece in enumerate(pieces)))
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.25)\nproject(pieces LANGUAGES CXX)\n"
        "find_package(kiln REQUIRED)\nadd_library(pieces pieces.cc)\n"
        "target_link_libraries(pieces PRIVATE kiln::core)\n")
    build_with(prefix, tmp_path, tmp_path / "build")
    assert "```cmake\n" + (EXAMPLE / "CMakeLists.txt").read_text() + "```" in manual


def test_cmake_says_which_version_of_kiln_and_of_boost_is_wanted(prefix, tmp_path):
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.25)\nproject(none LANGUAGES CXX)\n"
        "find_package(kiln ${WANTED} REQUIRED)\n")
    command = ["cmake", "-S", str(tmp_path), "-B", str(tmp_path / "build"),
               f"-DCMAKE_PREFIX_PATH={prefix}"]
    assert "version: 0." in run(*command, "-DWANTED=7.0", check=False).stderr

    boost = tmp_path / "boost"
    boost.mkdir()
    (boost / "version.hpp").write_text('#define BOOST_LIB_VERSION "1_99"\n')
    answer = run(*command, "-DWANTED=", f"-Dkiln_BOOST_INCLUDE={tmp_path}", check=False)
    assert answer.returncode != 0
    assert re.search(r"kiln was built with Boost 1\.\d+, but\s+\S+\s+has\s+Boost\s+1\.99",
                     answer.stderr)


# --- The example ---

def crane(*words: str) -> str:
    return run(str(go_tools.ensure("crane")["crane"]), *words).stdout


def test_the_example_pushes_what_it_says_for_every_platform(publish_site, registry, site, tmp_path):
    base = f"{registry.address}/library/nginx:1.27"
    target = f"{registry.address}/team/site:1"

    pushed = run(str(publish_site), base, str(site), target).stdout.strip()

    assert pushed == f"{registry.address}/team/site@{crane('digest', target).strip()}"
    for platform in base_image.PLATFORMS:
        crane("validate", "--platform", platform, "--remote", target)
    config = json.loads(crane("config", "--platform", "linux/amd64", target))
    assert config["config"]["Entrypoint"] == ["nginx", "-g", "daemon off;"]
    tar = tmp_path / "image.tar"
    crane("export", "--platform", "linux/amd64", target, str(tar))
    html = "usr/share/nginx/html/"
    with tarfile.open(tar) as files:
        found = {name: files.extractfile(name).read().decode() for name in files.getnames()
                 if name.startswith(html) and files.getmember(name).isfile()}
    assert found == {html + name: text for name, text in SITE.items()}


def test_the_command_makes_the_same_image_as_the_example(publish_site, registry, site):
    base = f"{registry.address}/library/nginx:1.27"
    html = "/usr/share/nginx/html"
    by_example, by_command = (f"{registry.address}/team/by-{who}:1" for who in ("example", "command"))

    run(str(publish_site), base, str(site), by_example)
    run(binary("kiln"), "--no-cache", "append", base, "--remove", html, "--dir", f"{site}:{html}",
        "--entrypoint", "nginx,-g,daemon off;", "-t", by_command)

    assert crane("digest", by_example) == crane("digest", by_command)


@pytest.mark.parametrize("words, message", [
    ((), "usage: publish_site"),
    (("UPPER", "SITE", "REGISTRY/team/site:1"), "publish_site: base: "),
    (("REGISTRY/library/none:1", "SITE", "REGISTRY/team/site:1"), "publish_site: assembling: "),
    (("REGISTRY/library/nginx:1.27", "no-such-folder", "REGISTRY/team/site:1"), "no-such-folder"),
])
def test_the_example_says_what_is_wrong(publish_site, registry, site, words, message):
    words = [word.replace("REGISTRY", registry.address).replace("SITE", str(site)) for word in words]
    answer = run(str(publish_site), *words, check=False)
    assert answer.returncode in (1, 2)
    assert message in answer.stderr
