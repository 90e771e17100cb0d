import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { EmberError } from "../../errors/ember-error.ts";
import { type RunOptions, run } from "../../host/run.ts";
import type { TaskOptions } from "../../types.ts";
import { documentLimitBytes } from "../oci/blobs.ts";
import type { Platform } from "../oci/platform.ts";
import { watchArrivals } from "./arrivals.ts";
import { explainSkopeo, type SkopeoSubject } from "./failure.ts";
import { watchGrowth } from "./growth.ts";
import { untilItPasses } from "./retry.ts";

/** An image that skopeo is to fetch. Its credentials come from where skopeo looks for them, and never pass through here. */
export interface SkopeoSource extends SkopeoSubject {
  /** In skopeo's words: "docker://host/name@sha256:...". */
  readonly source: string;
  readonly platform: Platform;
  /** False allows plain http and unknown certificates. */
  readonly tlsVerify: boolean;
  /** No login is sent. */
  readonly anonymous?: boolean | undefined;
  /** Folder of certificates that are trusted as well. */
  readonly certificates?: string | undefined;
  readonly limits?: SkopeoLimits | undefined;
}

export interface SkopeoLimits {
  /** How long the registry may take to answer. */
  readonly answerMs?: number;
  /** How long a copy may make no progress. */
  readonly stallMs?: number;
  /** How long to wait before the second attempt; longer and longer before further ones. */
  readonly retryMs?: number;
}

const defaultAnswerMs = 120_000;
const defaultStallMs = 180_000;
/** As good as none: a copy is ended when it stands still, not when it is slow. */
const copyLimitMs = 24 * 3600 * 1000;

/**
 * Keeps skopeo from noting where it has seen blobs, which is of no use to a copy into an empty layout, stays behind in /var/lib or the
 * user's home, and is made durable several times a blob, which makes the file system wait for the disk that is being written. It is
 * kept in memory where its folder cannot be made (containers/image, pkg/blobinfocache); root's folder is always the same, unless
 * root is said to be somebody else there (containers/storage, pkg/unshare).
 */
const withoutBlobNotes: Readonly<Record<string, string>> = {
  XDG_DATA_HOME: "/dev/null",
  _CONTAINERS_ROOTLESS_UID: "65534",
};

/** Names in the folder that `copyToLayout` fills. */
export const layoutName = "layout";
export const layoutTag = "image";
/** What a link to an archive is called in that folder, since skopeo takes no path with a colon. */
export const archiveName = "archive";

/**
 * The manifest of an image in a registry, exactly as the registry gives it. Throws `image-not-found`,
 * `registry-failed`, `timeout`, `interrupted`, `tool-missing`.
 */
export async function fetchManifest(source: SkopeoSource, signal?: AbortSignal): Promise<Buffer> {
  let parts: Buffer[] = [];
  let length = 0;
  const args = ["inspect", "--raw", ...trust(source, ""), source.source];
  await skopeo(source, args, {
    onAttempt: () => {
      parts = [];
      length = 0;
    },
    timeoutMs: source.limits?.answerMs ?? defaultAnswerMs,
    signal,
    onStdout: (chunk) => {
      length += chunk.length;
      if (length <= documentLimitBytes) parts.push(chunk);
    },
  });
  if (length > documentLimitBytes) throw tooLarge(source);
  return Buffer.concat(parts);
}

/** What is known of a copy beforehand. */
export interface CopySizes {
  readonly totalBytes?: () => number | undefined;
  readonly layers?: readonly { readonly digest: string; readonly size: number }[];
  /** See `copyLimit`: a registry that sends more is refused. */
  readonly limitBytes?: number | undefined;
}

/**
 * Copies one image into the OCI layout `layoutName` in `folder`, under the tag `layoutTag`. Post-condition: it is
 * there whole, with every blob's digest checked; on an error something may be left in the folder, and nothing writes to it
 * any more. Throws as `fetchManifest` does, `disk-full`, `verification-failed`, `image-invalid`.
 */
export async function copyToLayout(
  source: SkopeoSource,
  folder: string,
  task: TaskOptions & CopySizes = {},
): Promise<void> {
  const parts = task.layers === undefined ? undefined : watchArrivals(join(folder, layoutName), task.layers);
  mkdirSync(join(folder, "tmp"), { recursive: true, mode: 0o700 });
  using watch = watchGrowth(folder, {
    stallMs: source.limits?.stallMs ?? defaultStallMs,
    limitBytes: task.limitBytes,
    signal: task.signal,
    onGrowth: (done) => {
      const total = task.totalBytes?.();
      const known = total === undefined ? {} : { total };
      const each = parts === undefined || task.onProgress === undefined ? {} : { parts: parts() };
      task.onProgress?.({ step: "downloading", done: Math.min(done, total ?? done), ...known, ...each });
    },
  });
  const args = [
    "--tmpdir",
    "tmp",
    "copy",
    "--quiet",
    // Archives hold their layers as they are: compressing them takes time and gains nothing.
    "--dest-oci-accept-uncompressed-layers",
    ...trust(source, "src-"),
    source.source,
    `oci:${layoutName}:${layoutTag}`,
  ];
  try {
    const env = withoutBlobNotes;
    await skopeo(source, args, { timeoutMs: copyLimitMs, signal: watch.signal, cwd: folder, env });
  } catch (error) {
    const { reason } = watch.signal;
    if (task.signal?.aborted === true || !(reason instanceof EmberError)) throw error;
    throw reason.code === "timeout" ? timedOut(source, reason.message) : sentTooMuch(source, reason);
  }
}

/** What a copy of these layers can take up with its documents; undefined where there are none to go by. */
export function copyLimit(layers: readonly { readonly size: number }[]): number | undefined {
  if (layers.length === 0) return undefined;
  // The manifest and the configuration, and as they may be translated.
  return layers.reduce((sum, { size }) => sum + size, 4 * documentLimitBytes);
}

/**
 * Sends the image `layoutTag` of the OCI layout `layoutName` in `folder` to the place that `target` names, as it is;
 * what the registry has already is not sent. Throws as `fetchManifest` does.
 */
export async function pushLayout(
  target: SkopeoSource,
  folder: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  mkdirSync(join(folder, "tmp"), { recursive: true, mode: 0o700 });
  const args = [
    ...["--tmpdir", "tmp", "copy", "--quiet", "--preserve-digests"],
    ...trust(target, "dest-"),
    `oci:${layoutName}:${layoutTag}`,
    target.source,
  ];
  await skopeo(target, args, { timeoutMs: copyLimitMs, signal, cwd: folder });
}

/** `prefix`: "src-" where skopeo has flags for each end. */
function trust({ tlsVerify, anonymous, certificates }: SkopeoSource, prefix: string): string[] {
  return [
    // Said only when it is so: the host's registries.conf may allow it for some registries.
    ...(tlsVerify ? [] : [`--${prefix}tls-verify=false`]),
    ...(anonymous === true ? [`--${prefix}no-creds`] : []),
    ...(certificates === undefined ? [] : [`--${prefix}cert-dir`, certificates]),
  ];
}

type SkopeoRun = RunOptions & { readonly onAttempt?: () => void };

async function skopeo(source: SkopeoSource, args: readonly string[], options: SkopeoRun): Promise<void> {
  const { architecture, os } = source.platform;
  const all = ["--insecure-policy", "--override-os", os, "--override-arch", architecture, ...args];
  const attempt = async (): Promise<string | undefined> => {
    options.onAttempt?.();
    const { status, stderr } = await run("skopeo", all, {
      ...options,
      contained: true,
      okStatuses: [0, 1, 2],
    });
    return status === 0 ? undefined : stderr;
  };
  try {
    const said = await untilItPasses(attempt, source.limits?.retryMs, options.signal);
    if (said !== undefined) throw explainSkopeo(said, source);
  } catch (error) {
    if (error instanceof EmberError && error.code === "timeout") throw timedOut(source, "it does not answer");
    throw error;
  }
}

function timedOut(source: SkopeoSource, detail: string): EmberError {
  return new EmberError("timeout", `'${source.registry ?? source.what}' is too slow: ${detail}`, {
    hint: "check the network and the registry, then try again",
  });
}

function sentTooMuch(source: SkopeoSource, cause: EmberError): EmberError {
  return new EmberError(
    "verification-failed",
    `'${source.registry ?? source.what}' does not keep to the manifest: ${cause.message}`,
    { hint: "the registry is damaged, or somebody is in between: use another", cause },
  );
}

function tooLarge(source: SkopeoSource): EmberError {
  return new EmberError(
    "registry-failed",
    `'${source.registry}' gives a manifest of more than ${documentLimitBytes} bytes`,
    { hint: "it is no manifest, or an attack" },
  );
}
