import { unreachableHint } from "#platform";
import { EmberError } from "../../errors/ember-error.ts";
import { shown } from "../reference.ts";

/** What skopeo was asked for, as its errors are told. */
export interface SkopeoSubject {
  /** What the user calls the image. */
  readonly what: string;
  /** Undefined for an archive. */
  readonly registry: string | undefined;
  /** It goes to the registry instead of coming from there. */
  readonly isPushed?: boolean;
}

interface Cause {
  readonly sign: RegExp;
  readonly error: (subject: SkopeoSubject, detail: string) => EmberError;
}

const registryFailed =
  (message: string, hint: string) =>
  ({ registry }: SkopeoSubject, detail: string): EmberError => {
    const place = registry ?? "the registry";
    return new EmberError("registry-failed", `${message.replace("REGISTRY", place)}: ${detail}`, {
      hint: hint.replace("REGISTRY", place),
    });
  };

/** The first that fits counts. The signs are texts of skopeo, of the registries' error codes, and of Go's network. */
const causes: readonly Cause[] = [
  {
    sign: /no space left on device|disk quota exceeded/i,
    error: (_, detail) =>
      new EmberError("disk-full", `there is no space left for the image: ${detail}`, {
        hint: "free some space, then try again",
      }),
  },
  {
    sign: /toomanyrequests|too many requests|rate limit/i,
    error: registryFailed(
      "'REGISTRY' allows no more pulls for now",
      "wait a while, or log in, which often raises the limit: skopeo login REGISTRY",
    ),
  },
  {
    sign: /x509:|certificate|tls: |server gave HTTP response to HTTPS client/i,
    error: registryFailed(
      "'REGISTRY' cannot be trusted",
      "trust its certificate with --ca FILE; if you trust the network to it all the same: --no-tls-verify",
    ),
  },
  {
    sign: /manifest unknown|name unknown|repository name not known|not found: manifest|StatusCode: 404|status code.{0,20} 404|\b404 not found/i,
    error: ({ what, registry }) =>
      new EmberError("image-not-found", `'${registry ?? "the registry"}' has no image '${shown(what)}'`, {
        hint: `check the name and the tag; private images may need 'skopeo login ${registry ?? "REGISTRY"}'`,
      }),
  },
  {
    sign: /unauthorized|authentication required|\bdenied\b|forbidden|incorrect username|status code.{0,20} 40[13]|StatusCode: 40[13]/i,
    error: (subject, detail) =>
      registryFailed(
        subject.isPushed === true
          ? "'REGISTRY' does not take it from this user"
          : "'REGISTRY' does not give the image to this user, or does not have it",
        "check the name, and log in with 'skopeo login REGISTRY'",
      )(subject, detail),
  },
  {
    sign: /no image found in (manifest list|image index)|no child with platform/i,
    error: ({ what }) =>
      new EmberError("image-not-found", `'${shown(what)}' has no variant for this platform`, {
        hint: "choose another image, or another variant with --platform",
      }),
  },
  {
    sign: /digest.{0,40}(did not match|does not match|mismatch)|does not match.{0,20}digest|unexpected EOF.*checksum/i,
    error: (_, detail) =>
      new EmberError("verification-failed", `what arrived is not what was promised: ${detail}`, {
        hint: "it was damaged or changed on the way: try again",
      }),
  },
  ...(unreachableHint === undefined
    ? []
    : [
        {
          sign: /no route to host/i,
          error: registryFailed("'REGISTRY' cannot be reached: no route to host", unreachableHint),
        },
      ]),
  {
    sign: /dial tcp|no such host|connection refused|connection reset|i\/o timeout|no route to host|network is unreachable|timeout awaiting|deadline exceeded|broken pipe|\bEOF\b|proxyconnect/i,
    error: registryFailed(
      "'REGISTRY' cannot be reached",
      "check the registry's name, the network and the proxy settings, then try again",
    ),
  },
  {
    sign: /HTTP status|StatusCode: \d|status code/i,
    error: registryFailed("'REGISTRY' answered with an error", "try again later"),
  },
  {
    sign: /invalid reference format|repository name must be lowercase/i,
    error: ({ what }, detail) =>
      new EmberError("invalid-reference", `'${shown(what)}' is not an image reference: ${detail}`),
  },
];

const archiveCauses: readonly Cause[] = [
  ...causes.slice(0, 1),
  {
    sign: /expected 1 item, got|contains (multiple|\d+) images|more than one image/i,
    error: ({ what }) =>
      new EmberError("invalid-reference", `'${shown(what)}' holds several images`, {
        hint: "say which: docker-archive:FILE:NAME:TAG",
      }),
  },
  {
    sign: /Tag .* not found|reference .* not found|not found in archive/i,
    error: ({ what }) =>
      new EmberError("image-not-found", `the archive holds no image as in '${shown(what)}'`, {
        hint: "leave the name out when the archive holds one image only",
      }),
  },
];

/** skopeo's failure as an error that says what happened to what, and what to do. */
export function explainSkopeo(stderr: string, subject: SkopeoSubject): EmberError {
  const detail = fatalMessage(stderr);
  const fitting = (subject.registry === undefined ? archiveCauses : causes).find(({ sign }) =>
    sign.test(detail),
  );
  if (fitting !== undefined) return fitting.error(subject, detail);
  if (subject.registry === undefined) {
    return new EmberError(
      "image-invalid",
      `'${shown(subject.what)}' cannot be read as an image archive: ${detail}`,
      {
        hint: "give a file that 'docker save' or 'podman save' wrote",
      },
    );
  }
  return new EmberError(
    "registry-failed",
    `'${shown(subject.what)}' cannot be ${subject.isPushed === true ? "pushed" : "pulled"}: ${detail}`,
  );
}

/** What skopeo says last, without its log's decoration, and without what may be a secret in an address. */
function fatalMessage(stderr: string): string {
  const line =
    stderr
      .trim()
      .split("\n")
      .findLast((candidate) => candidate.trim() !== "") ?? "skopeo gave no reason";
  const quoted = /\bmsg=("(?:[^"\\]|\\.)*")/.exec(line)?.[1];
  const text = unquote(quoted) ?? line;
  const withoutQueries = text.replace(/(https?:\/\/[^\s"?]+)\?[^\s"]*/g, "$1?...");
  const short = withoutQueries.replace(/^Error parsing image name "[^"]*": /, "").replace(/\s+/g, " ");
  return long(short);
}

function unquote(text: string | undefined): string | undefined {
  try {
    const value: unknown = text === undefined ? undefined : JSON.parse(text);
    return typeof value === "string" ? value : undefined;
  } catch {
    return undefined; // Go quotes some bytes as JSON does not: shown as it stands
  }
}

function long(text: string): string {
  const clean = text.replace(/\p{Cc}/gu, "?");
  return clean.length > 400 ? `${clean.slice(0, 397)}...` : clean;
}
