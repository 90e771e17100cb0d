"""What read-layers.ts does, with the zlib and the OpenSSL of the system, which its own Python is linked with."""

import hashlib
import json
import pathlib
import sys
import zlib

CHUNK = 1 << 18
blobs = pathlib.Path(sys.argv[1]) / "blobs" / "sha256"


def document(digest):
    return json.loads((blobs / digest.removeprefix("sha256:")).read_bytes())


index = json.loads((blobs.parent.parent / "index.json").read_bytes())
manifest = document(index["manifests"][0]["digest"])
diff_ids = document(manifest["config"]["digest"])["rootfs"]["diff_ids"]

for layer, diff_id in zip(manifest["layers"], diff_ids, strict=True):
    blob, content = hashlib.sha256(), hashlib.sha256()
    inflate = zlib.decompressobj(wbits=31)
    with (blobs / layer["digest"].removeprefix("sha256:")).open("rb") as file:
        while chunk := file.read(CHUNK):
            blob.update(chunk)
            while chunk:
                content.update(inflate.decompress(chunk, CHUNK))
                chunk = inflate.unconsumed_tail
    content.update(inflate.flush())
    if f"sha256:{blob.hexdigest()}" != layer["digest"] or f"sha256:{content.hexdigest()}" != diff_id:
        sys.exit(f"layer {layer['digest']} is damaged")
