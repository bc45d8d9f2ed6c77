# SPDX-License-Identifier: GPL-2.0-only
"""Write OCI layouts for tests: no registry, no tool."""

import gzip
import hashlib
import io
import json
import os
import tarfile

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


def layer(entries):
    """
    A tar file of (name, content) pairs. Content: bytes, a program when the name is in bin/;
    None for a directory; "-> TARGET" for a link, "=> NAME" for a hard link.
    """
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            info.mode = 0o755 if content is None or "bin/" in name else 0o644
            if content is None:
                info.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                info.type = tarfile.SYMTYPE if content.startswith("->") else tarfile.LNKTYPE
                info.linkname = content[3:]
            else:
                info.size = len(content)
            tar.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return out.getvalue()


def blob(path, kind, data):
    """Put DATA into the layout PATH. Return: what names it."""
    digest = hashlib.sha256(data).hexdigest()
    directory = os.path.join(path, "blobs", "sha256")
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, digest), "wb") as file:
        file.write(data)
    return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(data)}


def write(path, layers, config, packed=True):
    """A layout in the directory PATH. packed: its layers are compressed."""
    os.makedirs(path)
    rows = [blob(path, LAYER + "+gzip", gzip.compress(data)) if packed
            else blob(path, LAYER, data) for data in layers]
    whole = {"architecture": "amd64", "os": "linux", "config": config,
             "rootfs": {"type": "layers", "diff_ids": [
                 f"sha256:{hashlib.sha256(data).hexdigest()}" for data in layers]}}
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "layers": rows,
                "config": blob(path, CONFIG, json.dumps(whole).encode())}
    row = blob(path, MANIFEST, json.dumps(manifest).encode())
    for name, what in (("oci-layout", {"imageLayoutVersion": "1.0.0"}),
                       ("index.json", {"schemaVersion": 2, "manifests": [row]})):
        with open(os.path.join(path, name), "w", encoding="ascii") as file:
            json.dump(what, file)
