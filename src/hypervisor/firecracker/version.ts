/** "Firecracker v1.15.1" and further lines that are no part of it. */
export function parseVersion(output: string): string | undefined {
  return /^Firecracker v(\d+\.\d+\.\d+[^\s]*)/m.exec(output)?.[1];
}

export function isAtLeast(version: string, major: number, minor: number): boolean {
  const [a = 0, b = 0] = version.split(".").map(Number);
  return a > major || (a === major && b >= minor);
}

/**
 * After a pause, these accept no connection from the host to the guest's vsock any more, which is how the agent is
 * reached (firecracker issue 6100, fixed in 1.17).
 */
export function losesVsockOnPause(version: string): boolean {
  return /^1\.16\.[01]($|\D)/.test(version);
}
