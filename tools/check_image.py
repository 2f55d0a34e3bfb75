"""Builds the container image twice and checks its promised properties. Needs buildah.

    python -m tools.check_image BASE [further arguments of `buildah bud`]

The two must be equal byte for byte; the layers above the base must be at most 120 MB, with the program in a
layer of its own of a few MB; and the demo must run in it as user 10001. The image is kept.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

MOST = 120e6
"""The most bytes of all files above the base."""
MOST_PROGRAM = 8e6
"""The most bytes of the compressed layer that a release ships."""
NAME = "map-monitor-check"


def build(base: str, arguments: list[str]) -> str:
    """Build the image without any cache and return its id."""
    command = ["make", "image", f"BASE={base}", "ARGS=" + " ".join(["--no-cache", "-t", NAME, *arguments])]
    subprocess.run(command, check=True, stdout=sys.stderr)
    shown = subprocess.run(
        ["buildah", "inspect", "--type", "image", "--format", "{{.FromImageID}}", NAME],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return shown.stdout.strip()


def measure(folder: Path) -> list[tuple[int, int]]:
    """Compressed bytes, and bytes of all files, of each layer of the image, lowest first."""
    subprocess.run(["buildah", "push", "--quiet", NAME, f"oci:{folder}:check"], check=True)

    def blob(digest: str) -> Path:
        return folder / "blobs" / digest.replace(":", "/")

    index = json.loads((folder / "index.json").read_text())
    manifest = json.loads(blob(index["manifests"][0]["digest"]).read_text())
    sizes = []
    for layer in manifest["layers"]:
        with tarfile.open(blob(layer["digest"])) as tar:
            sizes.append((layer["size"], sum(member.size for member in tar)))
    return sizes


def play_demo(isolation: str) -> None:
    """Play the story in a container. Raises CalledProcessError."""
    made = subprocess.run(
        ["buildah", "from", "--isolation", isolation, NAME], check=True, capture_output=True, text=True
    )
    container = made.stdout.strip()
    try:
        said = subprocess.run(
            ["buildah", "run", "--isolation", isolation, container, "--", "sh", "-c",
             "id -u; monitor demo --once --folder /data/demo"],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
    finally:
        subprocess.run(["buildah", "rm", container], check=True, stdout=subprocess.DEVNULL)
    assert said.stdout.startswith("10001\n"), said.stdout[:80]
    assert "Lewisville Police Department" in said.stdout, said.stdout[-2000:]


def main(base: str, arguments: list[str]) -> None:
    first, second = build(base, arguments), build(base, arguments)
    assert first == second, f"two builds differ: {first} and {second}"
    print(f"two builds are equal: {first}")
    with tempfile.TemporaryDirectory() as folder:
        *_, user, packages, program = measure(Path(folder) / "image")
    ours = user[1] + packages[1] + program[1]
    print(f"over the base: {ours / 1e6:.1f} MB; a release ships {program[0] / 1e6:.1f} MB")
    assert ours <= MOST, f"more than {MOST / 1e6:.0f} MB"
    assert program[0] <= MOST_PROGRAM, f"more than {MOST_PROGRAM / 1e6:.0f} MB"
    play_demo("chroot" if "chroot" in arguments else "oci")
    print("the demo runs as user 10001")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
