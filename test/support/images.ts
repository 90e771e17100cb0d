import { readFileSync } from "node:fs";
import { type TarItem, tarOf } from "../../src/image/tar/testing/tar-builder.ts";
import type { TestImage, TestLayer } from "./layouts.ts";
import { busyboxPath } from "./rootfs.ts";

// Small images for tests: a static busybox, without an sshd and without an init.

const applets =
  "cat chmod cp date dd echo env false find grep head hostname id kill ls mkdir mount mv od ps pwd readlink rm sed seq sh " +
  "sha256sum sleep stat stty sync tail tar test touch tr true tty uname wc wget yes";

export const folder = (path: string, mode = 0o755): TarItem => ({ path, type: "5", mode });
export const file = (path: string, content: string, mode = 0o644): TarItem => ({ path, content, mode });
export const symlink = (path: string, link: string): TarItem => ({ path, type: "2", link });

export function layer(items: readonly TarItem[], compression: TestLayer["compression"] = "gzip"): TestLayer {
  return { tar: tarOf(...items), compression };
}

/** A layer with busybox, its commands, and two users. */
export function busyboxLayer(compression: TestLayer["compression"] = "gzip"): TestLayer {
  const folders = ["bin", "etc", "root", "tmp", "home", "home/kim", "proc", "sys", "dev", "run", "var"];
  return layer(
    [
      ...folders.map((path) => ({
        ...folder(path, path === "tmp" ? 0o1777 : 0o755),
        ...(path === "home/kim" ? { uid: 1000, gid: 1000 } : {}),
      })),
      { path: "bin/busybox", content: readFileSync(busyboxPath()), mode: 0o755 },
      ...applets.split(" ").map((name) => symlink(`bin/${name}`, "busybox")),
      file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nkim:x:1000:1000:Kim:/home/kim:/bin/sh\n"),
      file("etc/group", "root:x:0:\nkim:x:1000:\nstaff:x:50:kim\n"),
      file("etc/os-release", 'NAME="Test"\nPRETTY_NAME="Test guest"\n'),
    ],
    compression,
  );
}

/** What a user who knows images well would try: each of the ways to say what is run. */
export const busyboxImages: Readonly<Record<string, () => TestImage>> = {
  plain: () => ({ layers: [busyboxLayer()] }),
  entrypoint: () => ({
    layers: [busyboxLayer()],
    config: {
      Entrypoint: ["/bin/sh", "-c", 'echo "started $0 $COLOR"; id; pwd; exec sleep 1000'],
      Cmd: ["argument"],
      Env: ["PATH=/bin", "COLOR=blue"],
      User: "kim",
      WorkingDir: "/home/kim",
      StopSignal: "SIGINT",
      ExposedPorts: { "80/tcp": {} },
      Labels: { purpose: "test" },
    },
  }),
  commandOnly: () => ({
    layers: [busyboxLayer()],
    config: { Entrypoint: null, Cmd: ["/bin/sh", "-c", "echo done; exit 3"], Env: ["PATH=/bin"] },
    docker: true,
  }),
  /** Three layers, each compressed in another way: later ones change, hide and replace what earlier ones hold. */
  layered: () => ({
    layers: [
      busyboxLayer("gzip"),
      layer(
        [
          folder("data"),
          file("data/kept", "1"),
          file("data/removed", "1"),
          file("data/changed", "1"),
          folder("hidden"),
          file("hidden/old", "1"),
        ],
        "zstd",
      ),
      layer(
        [
          file("data/.wh.removed", ""),
          file("data/changed", "2"),
          file("hidden/.wh..wh..opq", ""),
          file("hidden/new", "2"),
        ],
        "none",
      ),
    ],
    config: { Env: ["PATH=/bin"] },
  }),
};
