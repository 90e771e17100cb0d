import manifest from "../package.json" with { type: "json" };

/** The one version of everything that is built from this tree. */
export const version: string = manifest.version;
