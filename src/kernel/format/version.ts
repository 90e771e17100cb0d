const banner = "Linux version ";

/**
 * The release in the kernel's banner ("Linux version 6.1.0-56-cloud-amd64 (builder) ..."), undefined when there is none.
 * The same words also stand in messages, hence the form that is asked for.
 */
export function scanVersion(bytes: Buffer): string | undefined {
  for (let at = bytes.indexOf(banner); at !== -1; at = bytes.indexOf(banner, at + 1)) {
    const start = at + banner.length;
    const version = readRelease(bytes.toString("latin1", start, start + 200));
    if (version !== undefined) return version;
  }
  return undefined;
}

/** The release at the beginning of "6.1.0-56-cloud-amd64 (builder) #1 SMP ...". */
export function readRelease(text: string): string | undefined {
  return /^([0-9]+\.[0-9]+[A-Za-z0-9.+_~-]{0,100}) \(/.exec(text)?.[1];
}
